"""What a person at a terminal reads."""

import os
import pty
import subprocess
import sys

import pytest

from workmill.telemetry.log_terminal import terminal_line

EVENT = {
    "at": "2026-11-22T03:12:23.093Z",
    "level": "warning",
    "event": "process.died",
    "role": "supervisor",
    "incarnation": "d00afe3103f8",
    "pid": 3241,
}


@pytest.fixture(autouse=True)
def colour(monkeypatch: pytest.MonkeyPatch) -> None:
    """Lines as on a terminal that has it."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")


def test_a_line_has_colour_only_where_there_is_any(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log asks the same place as everything else that is shown."""
    assert b"\x1b[33m" in terminal_line(EVENT)
    monkeypatch.setenv("NO_COLOR", "1")
    assert b"\x1b" not in terminal_line({**EVENT, "reason": "a name of bytes \udcff"})


def test_a_person_reads_when_who_what() -> None:
    """The time, the process, the event and its fields are there, in this order."""
    line = terminal_line({**EVENT, "outcome": "SIGKILL"}).decode()
    words = ["03:12:23", "supervisor 3241", "process.died", "outcome=SIGKILL"]
    places = [line.index(word) for word in words]
    assert places == sorted(places)
    assert "incarnation" not in line


def test_a_field_cannot_play_with_the_terminal() -> None:
    """What came from outside is escaped: no line of its own, no colour, no cursor moves."""
    line = terminal_line({**EVENT, "reason": "a\nb\x1b[2Jc"})
    assert b"\n" not in line
    assert b"\x1b[2J" not in line


def test_a_terminal_gets_words_and_a_pipe_gets_json() -> None:
    """`emit` looks at where it writes."""
    program = "from workmill.telemetry import emit; emit('x.happened', n=1)"
    leader, terminal = pty.openpty()
    subprocess.run([sys.executable, "-c", program], stderr=terminal, check=True)
    os.close(terminal)
    seen = os.read(leader, 4096)
    os.close(leader)
    assert b"n=1" in seen
    assert b"{" not in seen
    piped = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert piped.stderr.startswith(b'{"at"')
