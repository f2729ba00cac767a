"""Every command that asks a service, and what it says when that is no service at all."""

from __future__ import annotations

import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

import pytest
from tests.unit.cli.all_commands import commands, talks

from workmill.cli import connection
from workmill.cli.main import main

JOB = "01a21f99-2c61-72c6-9012-e89e7256cf51"
TALKS = {
    "submit": "submit FILE -n 1",
    "job": f"job {JOB}",
    "jobs": "jobs",
    "cancel": f"cancel {JOB}",
    "pull": "pull",
    "status": "status",
    "backup": "backup TARGET",
    "restore": "restore FILE --yes",
    "demo": "demo --files 1",
}
"""How each is called here. FILE has some bytes, TARGET is in an empty folder."""
WAITING = {"worker", "controller"}
"""Roles: they wait for their service for as long as they run, and their log says so."""
REPLIES = {
    "no HTTP at all": b"\x00\xff\x1b[2J" * 20,
    "another service": b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n<b>hi</b>",
    "JSON of another shape": b'HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n{"a": 1}',
    "a page that is not there": b"HTTP/1.1 404 No\r\ncontent-length: 6\r\n\r\n\x1b[2Jno",
    "an end in the middle": b"HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n{",
    "nothing": b"",
}
_PROBLEM = (
    b'{"type":"urn:workmill:problem:store-damaged","title":"t","status":503,"detail":"Gone."}'
)
DAMAGED = (
    b"HTTP/1.1 503 No\r\ncontent-type: application/problem+json\r\n"
    b"content-length: %d\r\n\r\n%b" % (len(_PROBLEM), _PROBLEM)
)


def test_every_command_that_talks_has_a_row() -> None:
    """A new one is tried, too."""
    assert {name for name, command in commands().items() if talks(command)} == {*TALKS, *WAITING}


@pytest.fixture
def ended(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> Callable[[str, str], tuple[int, str]]:
    """Runs a row of the table at this address: its exit code, and what it said of it."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 0.2)
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)
    file = tmp_path / "file"
    file.write_bytes(b"some bytes")
    (tmp_path / "folder").mkdir()

    def run(words: str, url: str) -> tuple[int, str]:
        places = {"FILE": str(file), "TARGET": str(tmp_path / "folder/copy")}
        called = [places.get(one, one) for one in words.split()]  # a folder may have blanks
        monkeypatch.setattr(sys, "argv", ["workmill", *called, "--url", url])
        with pytest.raises(SystemExit) as end:
            main()
        said = capsys.readouterr()
        assert said.out == ""
        assert "Traceback" not in said.err
        assert "fault of Workmill" not in said.err
        assert "\x1b[2J" not in said.err
        assert list((tmp_path / "folder").iterdir()) == []
        assert isinstance(end.value.code, int)
        return end.value.code, said.err

    return run


@pytest.mark.parametrize("command", TALKS)
def test_nobody_there_is_said_at_once(
    command: str, ended: Callable[[str, str], tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The address, what the system says of it, and what to do; however patient a command is."""
    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 1e9)
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))  # taken, and not listening
        url = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        code, said = ended(TALKS[command], url)
    assert code == 1
    assert f"{url}: Connection refused. Nothing was asked of the service. Check --url" in said


@pytest.mark.parametrize("reply", REPLIES)
@pytest.mark.parametrize("command", TALKS)
def test_a_stranger_at_the_address_is_an_error_in_words(
    command: str, reply: str, ended: Callable[[str, str], tuple[int, str]]
) -> None:
    """Exit 1, and nothing is left in the folder that a copy was to go to."""
    with stranger(REPLIES[reply]) as url:
        code, said = ended(TALKS[command], url)
    assert code == 1
    assert said.strip()


@pytest.mark.parametrize("command", TALKS)
def test_a_silent_service_is_given_up(
    command: str, ended: Callable[[str, str], tuple[int, str]]
) -> None:
    """It takes the connection and says nothing: that may pass, so the person is told to wait."""
    with stranger(None) as url:
        code, said = ended(TALKS[command], url)
    assert code == 1
    assert "slow to answer; waiting for up to" in said


@pytest.mark.parametrize("command", TALKS)
def test_what_lasts_is_told_at_once(
    command: str, ended: Callable[[str, str], tuple[int, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However patient a command is: a damaged store is not asked again."""

    def again(_seconds: float) -> NoReturn:
        raise AssertionError("it waits for what does not pass")

    monkeypatch.setattr(connection, "PATIENCE_SECONDS", 1e9)
    monkeypatch.setattr(time, "sleep", again)
    with stranger(DAMAGED) as url:
        code, said = ended(TALKS[command], url)
    assert code == 1
    assert "The store has lost what it had acknowledged." in said


@contextmanager
def stranger(reply: bytes | None) -> Iterator[str]:
    """Answers every connection with these bytes and ends it; with None, takes it and is silent."""
    kept: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    caller, _ = listener.accept()
                except OSError:
                    return
                kept.append(caller)
                if reply is not None:
                    caller.recv(65536)
                    caller.sendall(reply)
                    caller.close()

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            for caller in kept:
                caller.close()
