"""An endpoint that hangs is seen by systemd, because it stops saying that it turns."""

from __future__ import annotations

import configparser
import os
import signal
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from select import select

import pytest
from tests.system.processes import PATIENCE_SECONDS, until
from tests.system.roles import Role

UNIT = Path(__file__).parents[2] / "deploy" / "systemd" / "workmill-endpoint.service"
SAY_AT_LEAST_EVERY = "30000"
"""Microseconds."""
TEN_WORDS_SECONDS = 0.1
ENDPOINT = f"exec {sys.executable} -m workmill endpoint --port 0 --data {{data}}"


@pytest.fixture
def told(tmp_path: Path) -> socket.socket:
    """systemd's end."""
    made = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    made.bind(str(tmp_path / "notify"))
    made.settimeout(PATIENCE_SECONDS)
    return made


@contextmanager
def endpoint(folder: Path, pid: str) -> Iterator[Role]:
    """One whose watchdog is for this process; `$$` is its own."""
    words = ["sh", "-c", f"WATCHDOG_PID={pid} {ENDPOINT.format(data=folder / 'data')}"]
    asked = {"NOTIFY_SOCKET": str(folder / "notify"), "WATCHDOG_USEC": SAY_AT_LEAST_EVERY}
    role = Role(folder / "endpoint.log", words, asked)
    try:
        yield role
    finally:
        if role.alive:
            role.kill()


def test_a_turning_endpoint_says_so_and_a_stopped_one_does_not(
    told: socket.socket, tmp_path: Path
) -> None:
    """Again and again, from before it is ready; nothing while it is stopped, and again when it
    goes on."""
    with told, endpoint(tmp_path, "$$") as role:
        assert [told.recv(64) for _ in range(3)] == [b"WATCHDOG=1"] * 3
        until(lambda: "endpoint.ready" in (tmp_path / "endpoint.log").read_text())
        os.kill(role.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, role.pid, os.WSTOPPED | os.WNOWAIT)
        while select([told], [], [], TEN_WORDS_SECONDS)[0]:
            told.recv(64)  # what it said before it stopped
        role.signal(signal.SIGCONT)
        assert told.recv(64) == b"WATCHDOG=1"
        assert role.end() == 0


def test_another_processs_word_is_not_given(told: socket.socket, tmp_path: Path) -> None:
    """A child of `up` inherits what systemd told its parent; it would hide that one's hanging."""
    with told, endpoint(tmp_path, "1") as role:
        log = tmp_path / "endpoint.log"
        until(lambda: "endpoint.ready" in log.read_text())
        told.setblocking(False)
        with pytest.raises(BlockingIOError):
            told.recv(64)
        assert role.end() == 0


def test_the_unit_asks_for_the_word() -> None:
    """And does not take a core dump of a process that hangs for long."""
    unit = configparser.RawConfigParser(strict=False)
    unit.read(UNIT)
    service = unit["Service"]
    assert (service["NotifyAccess"], service["WatchdogSignal"]) == ("main", "SIGKILL")
    assert 10 <= int(service["WatchdogSec"]) <= 30
