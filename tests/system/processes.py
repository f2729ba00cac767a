"""A whole service as a person starts it: `workmill up`, a real tree of processes on a free port."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from workmill import Client

WORKMILL = (sys.executable, "-P", "-m", "workmill")
PATIENCE_SECONDS = 60.0


def free_port() -> int:
    """A port of loopback that nobody listens on now."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


def until(condition: Callable[[], Any], seconds: float = PATIENCE_SECONDS) -> Any:
    """The first true answer of `condition`: for what sends no signal, like a process's death."""
    deadline = time.monotonic() + seconds
    while not (answer := condition()):
        assert time.monotonic() < deadline, f"{condition} did not come true"
        time.sleep(0.02)
    return answer


def run(
    *arguments: str, stdin: bytes = b"", seconds: float = 100
) -> subprocess.CompletedProcess[bytes]:
    """One command of the command line, to its end."""
    return subprocess.run(
        [*WORKMILL, *arguments], input=stdin, capture_output=True, timeout=seconds, check=False
    )


class Up:
    """`workmill up`, from its words that it is ready until it is gone."""

    command = "up"

    def __init__(self, directory: Path, *arguments: str, workers: int | str = 2) -> None:
        directory.mkdir(exist_ok=True)
        self.data = directory / "data"
        self.log = directory / f"{self.command}.log"
        words = [self.command, "--port", "0", "--data", str(self.data), "--workers", str(workers)]
        self._words = [*WORKMILL, *words, *arguments]
        self.start()

    def start(self) -> None:
        """Start it, again after an end, and return when it says that it is ready."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self._words,
                stdout=subprocess.PIPE,
                stderr=log,
                process_group=0,
            )
        assert self.process.stdout is not None
        try:
            ready = self.process.stdout.readline().decode()
            found = re.search(r"http://\S+:\d+", ready)
            assert found, f"not ready: {ready!r}\n{self.log.read_text()}"
        except BaseException:  # a test that is interrupted here would never leave what it entered
            os.killpg(self.process.pid, signal.SIGTERM)
            raise
        self.url = found[0]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if self.process.poll() is None:
                self.stop()
        finally:
            assert self.process.stdout is not None
            self.process.stdout.close()
        if kind is not None:
            sys.stderr.write(self.log.read_text()[-4000:])

    def stop(self, number: signal.Signals = signal.SIGINT) -> int:
        """What Ctrl-C at a terminal does: the signal goes to the whole foreground group, which
        is `up` alone. The exit code."""
        os.killpg(self.process.pid, number)
        return self.process.wait(60)

    def client(self) -> Client:
        return Client(self.url, timeout_seconds=PATIENCE_SECONDS)

    def cli(self, *arguments: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
        """A command of the command line, run against this service."""
        return run(*arguments, "--url", self.url, stdin=stdin)

    def said(self, *arguments: str, stdin: bytes = b"") -> str:
        """What a command that succeeds prints."""
        done = self.cli(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def json(self, *arguments: str, stdin: bytes = b"") -> Any:
        """What a command that succeeds prints with --json."""
        return json.loads(self.said(*arguments, "--json", stdin=stdin))

    def pids(self, role: str) -> list[int]:
        """The children of the supervisor that play this role."""
        return [pid for pid in children(self.process.pid) if f"\0{role}\0" in command_line(pid)]

    def tree(self) -> list[int]:
        """Every process of the service, the supervisor first."""
        return tree(self.process.pid)

    def kill(self, role: str) -> None:
        """kill -9 one process of this role, and wait until another one has its place."""
        before = set(self.pids(role))
        os.kill(min(before), signal.SIGKILL)
        until(lambda: len(now := set(self.pids(role))) == len(before) and now != before)


def children(pid: int) -> list[int]:
    try:
        threads = list(Path(f"/proc/{pid}/task").iterdir())
        return [int(child) for t in threads for child in (t / "children").read_text().split()]
    except FileNotFoundError:
        return []


def tree(pid: int) -> list[int]:
    return [pid, *(below for child in children(pid) for below in tree(child))]


def command_line(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return ""


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has reaped yet has ended too."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
