"""A whole service, whatever the process that starts it hands on: descriptors, signals, a pipe that
nobody reads, a directory of strangers, an import path set at run time, a namespace of its own."""

from __future__ import annotations

import fcntl
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.system.processes import WORKMILL, children, command_line, free_port, tree, until
from tests.system.service_definition import value_of
from tests.unit.process.test_children import ROOT, zipped
from tests.unit.process.test_init import UNSHARE, possible
from tests.unit.telemetry.test_log_output import fill

from workmill import Client

CLOSES = {0: "<&-", 1: ">&-", 2: "2>&-"}


@contextmanager
def service(words: Sequence[str], tmp_path: Path, **options: Any) -> Iterator[tuple[Any, Client]]:
    """A service that these words start, known by its port alone; stopped by SIGTERM."""
    port = free_port()
    arguments = ["up", "--port", str(port), "--data", str(tmp_path / "data"), "--workers", "1"]
    process = subprocess.Popen([*words, *arguments], **options)
    client = Client(f"http://127.0.0.1:{port}", timeout_seconds=60)
    try:
        yield process, client
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0
    finally:
        client.close()
        if process.poll() is None:
            for pid in tree(process.pid):
                os.kill(pid, signal.SIGKILL)
            process.wait(60)


def another_than(worker: int, supervisor: int) -> bool:
    return worker_of(supervisor) not in {None, worker}


def computes(client: Client, data: bytes) -> None:
    assert client.submit(data, iterations=100).result(80).hex() == value_of(data, 100)


def worker_of(pid: int) -> int | None:
    """The worker under the supervisor with this pid, once it computes."""
    found = [p for p in children(pid) if "\0worker\0" in command_line(p) and children(p)]
    return found[0] if found else None


@pytest.mark.parametrize("closed", [[0], [2], [0, 1, 2]], ids=str)
def test_descriptors_that_are_closed_take_nothing_away(tmp_path: Path, closed: list[int]) -> None:
    """From cron, a service manager or `<&- >&- 2>&-` it computes as from a terminal."""
    shell = f'exec "$@" {" ".join(CLOSES[one] for one in closed)}'
    words = ["sh", "-c", shell, "sh", *WORKMILL]
    with service(words, tmp_path, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as (
        _,
        client,
    ):
        computes(client, b"closed")


def test_a_log_that_nobody_reads_holds_nobody_up(tmp_path: Path) -> None:
    """Both outputs are one full pipe: a killed worker is replaced, jobs are computed, and a stop is
    heeded."""
    reading, writing = os.pipe()
    fcntl.fcntl(writing, fcntl.F_SETPIPE_SZ, 4096)
    fill(writing)
    with service(WORKMILL, tmp_path, stdout=writing, stderr=writing) as (process, client):
        computes(client, b"before")
        first = until(lambda: worker_of(process.pid))
        os.kill(first, signal.SIGKILL)
        until(lambda: worker_of(process.pid) not in {None, first})
        computes(client, b"after")
    os.close(reading)
    os.close(writing)


def test_a_reader_that_is_gone_ends_nobody(tmp_path: Path) -> None:
    """`workmill up 2>&1 | head -1` serves on when `head` has ended."""
    reading, writing = os.pipe()
    os.close(reading)
    with service(WORKMILL, tmp_path, stdout=writing, stderr=writing) as (_, client):
        computes(client, b"gone")
    os.close(writing)


def test_a_directory_of_strangers_takes_no_part(tmp_path: Path) -> None:
    """Files called like modules lie where it is started: none of them is executed."""
    for name in ("queue", "typer", "msgspec", "apsw", "uvicorn", "signal_", "ctypes", "httpx"):
        (tmp_path / f"{name}.py").write_text("open('executed', 'w')\nraise SystemExit(1)\n")
    environment = {name: it for name, it in os.environ.items() if not name.startswith("PYTHON")}
    words = [sys.executable, "-m", "workmill"]
    with service(words, tmp_path, cwd=tmp_path, env=environment) as (_, client):
        computes(client, b"strangers")
    assert not (tmp_path / "executed").exists()


def test_every_process_imports_from_where_the_first_one_did(tmp_path: Path) -> None:
    """An application that carries us in a file of its own: its endpoint, its worker and what
    computes run what it carries."""
    place = str(zipped(tmp_path))
    program = (
        f"import sys; sys.path = [p for p in sys.path if {str(ROOT)!r} not in p]; "
        f"sys.path.insert(0, {place!r}); from workmill.cli.main import main; main()"
    )
    words = [sys.executable, "-c", program]
    with service(words, tmp_path) as (process, client):
        computes(client, b"carried")
        for pid in tree(process.pid)[1:]:
            environment = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            assert f"PYTHONPATH={place}".encode() in b"\n".join(environment)


@pytest.mark.skipif(not possible, reason="process namespaces need more rights")
def test_as_process_1_it_leaves_no_zombies(tmp_path: Path) -> None:
    """In a container nobody else waits for what a killed worker leaves behind."""
    words = [*UNSHARE, *WORKMILL]
    port = free_port()
    arguments = ["up", "--port", str(port), "--data", str(tmp_path), "--workers", "1"]
    with subprocess.Popen([*words, *arguments], stderr=subprocess.DEVNULL) as process:
        try:
            (first,) = until(lambda: children(process.pid))
            (supervisor,) = until(lambda: children(first))
            for _ in range(5):
                worker = until(lambda: worker_of(supervisor))
                os.kill(worker, signal.SIGKILL)
                until(partial(another_than, worker, supervisor))
            until(lambda: children(first) == [supervisor])
            with Client(f"http://127.0.0.1:{port}") as client:
                computes(client, b"first")
            os.kill(first, signal.SIGTERM)
            assert process.wait(60) == 0
        finally:
            process.kill()


REFUSED = {
    "a place where nothing can be made": (["--data", "/proc/foo"], "/proc/foo cannot be used"),
    "a device": (["--data", "/dev/null"], "it is not a directory"),
    "no name of a host": (["--host", "a..b", "--open-without-key"], "no such address"),
    "an address of others": (["--host", "192.0.2.1", "--open-without-key"], "192.0.2.1"),
    "far too many workers": (["--workers", "1000"], "1000 workers are far more"),
    "far too many at most": (["--workers", "1:1000"], "1000 workers are far more"),
    "a key that is not there": (["--key-file", "/proc/no.key"], "cannot be read"),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.values(), ids=REFUSED)
def test_a_start_that_is_refused_says_why_to_a_person(
    tmp_path: Path, words: list[str], said: str
) -> None:
    """One paragraph, what happened and what to do: no JSON, no traceback, nothing left behind."""
    done = subprocess.run(
        [*WORKMILL, "up", "--port", "0", "--data", str(tmp_path / "data"), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1, done.stderr
    assert said in done.stderr
    assert "{" not in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_what_a_child_refuses_is_said_once(tmp_path: Path) -> None:
    """The directory belongs to another service: only the endpoint finds that out."""
    data = tmp_path / "data"
    with service(WORKMILL, tmp_path) as (process, client):
        computes(client, b"owner")
        done = subprocess.run(
            [*WORKMILL, "up", "--port", "0", "--data", str(data)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert process.poll() is None
    assert done.returncode == 1
    assert re.search(r"owns the store", done.stderr)
    assert len(done.stderr.splitlines()) == 1, done.stderr


@pytest.mark.parametrize(
    ("number", "after"),
    [
        (signal.SIGTERM, "python"),
        (signal.SIGINT, "packages"),
        (signal.SIGINT, "endpoint"),
        (signal.SIGHUP, "endpoint"),
        (signal.SIGTERM, "worker"),
    ],
)
def test_a_stop_is_heeded_while_it_starts(
    tmp_path: Path, number: signal.Signals, after: str
) -> None:
    """While Python loads, or the packages that we use, while the endpoint opens its store, or the
    workers start: it ends quietly, and nothing is left behind. (What Ctrl-C does before Python has
    come to our first line is Python's.)"""
    arguments = ["up", "--port", "0", "--data", str(tmp_path / "data"), "--workers", "8"]
    with subprocess.Popen(
        [*WORKMILL, *arguments], stdout=subprocess.PIPE, stderr=subprocess.PIPE, process_group=0
    ) as process:
        if after == "python":
            until(lambda: "workmill" in command_line(process.pid))
        elif after == "packages":
            until(lambda: "msgspec" in Path(f"/proc/{process.pid}/maps").read_text())
        else:
            until(lambda: any(f"\0{after}\0" in command_line(p) for p in children(process.pid)))
        there = tree(process.pid)
        process.send_signal(number)
        _, said = process.communicate(timeout=60)
    assert process.returncode in {0, -number, 128 + number}
    assert b"Traceback" not in said
    assert [pid for pid in there if Path(f"/proc/{pid}").exists()] == []


SWALLOWED = """
import os, signal, sys
from workmill.__main__ import main
module = sys.argv.pop(1)

class Swallows:
    def find_spec(self, name, path, target=None):
        if name == module:
            try:
                os.kill(os.getpid(), signal.SIGINT)
            except KeyboardInterrupt:
                pass

sys.meta_path.insert(0, Swallows())
main()
"""


@pytest.mark.parametrize("module", ["workmill.cli.app", "msgspec", "workmill.endpoint.listener"])
def test_ctrl_c_is_not_lost_in_what_loads(tmp_path: Path, module: str) -> None:
    """Where an exception of a signal handler goes nowhere, as in a callback of a weak reference
    (importlib has one for each module): one Ctrl-C ends the start all the same."""
    words = ["up", "--port", "0", "--data", str(tmp_path / "data"), "--workers", "1"]
    with subprocess.Popen(
        [sys.executable, "-P", "-c", SWALLOWED, module, *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        said = process.stdout and process.stdout.readline()
        process.terminate()
        process.wait(60)
    assert (said, process.returncode) == (b"", -signal.SIGINT)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_role_of_its_own_drains_on_every_stop_signal(
    tmp_path: Path, number: signal.Signals
) -> None:
    """A closed terminal is a stop like any other, without a supervisor too."""
    port = free_port()
    roles = {
        "endpoint": ["--port", str(port), "--data", str(tmp_path)],
        "worker": ["--url", f"http://127.0.0.1:{port}"],
    }
    started = [
        subprocess.Popen([*WORKMILL, role, *words], stderr=subprocess.DEVNULL, process_group=0)
        for role, words in roles.items()
    ]
    with Client(f"http://127.0.0.1:{port}", timeout_seconds=60) as client:
        computes(client, b"alone")
    for process in reversed(started):
        process.send_signal(number)
        assert process.wait(60) == 0


def test_nohup_keeps_a_service_alive(tmp_path: Path) -> None:
    """Whoever starts it with nohup wants it to outlive the terminal."""
    words = ["sh", "-c", 'trap "" HUP; exec "$@"', "sh", *WORKMILL]
    with service(words, tmp_path, stderr=subprocess.DEVNULL) as (process, client):
        computes(client, b"before")
        process.send_signal(signal.SIGHUP)
        computes(client, b"after")
