"""Child processes of a bench: started from a list of words, stopped by their own group id."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

WORKER_PROCESSES = 2
"""Every system in a comparison computes in as many."""
START_SECONDS = 30.0
STOP_SECONDS = 10.0


def free_port() -> int:
    """A TCP port on loopback that was free a moment ago."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def child(words: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> Iterator[int]:
    """Run a command in a process group of its own, with its output in `log`; gives its pid."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            words,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            start_new_session=True,
        )
    try:
        yield process.pid
    finally:
        _end(process)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ask once, wait, then kill whatever is left of the group."""
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait(STOP_SECONDS)


def wait_for_port(port: int, log: Path) -> None:
    """Return once something listens there. Raises TimeoutError with the end of the log."""
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1.0).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise TimeoutError(f"nothing listens on port {port}:\n{log.read_text()[-2000:]}")


@contextmanager
def redis_server(*, durable: bool = False) -> Iterator[str]:
    """A Redis of its own on a free port of loopback; gives its URL.

    It keeps nothing on disk, unless `durable`: then every reply waits for an fsync. Its directory
    is made where the bench was started, for the usual one may be in memory.
    """
    port = free_port()
    kept = ["--appendonly", "no"]
    if durable:
        kept = ["--appendonly", "yes", "--appendfsync", "always"]
        kept += ["--auto-aof-rewrite-percentage", "0"]  # no rewrite in the middle of a figure
    with tempfile.TemporaryDirectory(prefix=".bench-", dir=Path.cwd()) as directory:
        log = Path(directory) / "redis.log"
        words = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        with child([*words, "--save", "", *kept], log):
            wait_for_port(port, log)
            yield f"redis://127.0.0.1:{port}/0"
