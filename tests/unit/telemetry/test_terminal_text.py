"""One place decides what may go to a terminal."""

from __future__ import annotations

import pytest

from workmill.telemetry.terminal_text import (
    can_redraw,
    coloured,
    has_colour,
    is_terminal,
    printable,
)


class Terminal:
    def isatty(self) -> bool:
        return True


class Pipe:
    def isatty(self) -> bool:
        return False


class Closed:
    def isatty(self) -> bool:
        raise ValueError("I/O operation on closed file")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain, größer, 漢字 😀", "plain, größer, 漢字 😀"),
        ("a\nb\tc\rd", r"a\nb\tc\rd"),
        ("\x1b[2J\x1b]0;title\x07", r"\x1b[2J\x1b]0;title\x07"),
        ("\x9b31m", r"\x9b31m"),
        ("txt.\u202eexe", r"txt.\u202eexe"),
        ("\u2066x\u2069\u200b\ufeff", r"\u2066x\u2069\u200b\ufeff"),
        ("\u2028line", r"\u2028line"),
        ("b\udcff", r"b\xff"),
        (repr("b\udcff"), r"'b\xff'"),
        ("\ud800", r"\ud800"),
        ("big[red]x.bin", "big[red]x.bin"),
        ("", ""),
    ],
)
def test_what_is_no_visible_character_is_escaped(text: str, shown: str) -> None:
    """Control sequences of seven and eight bits, directions, line ends of every kind, raw bytes."""
    assert printable(text) == shown
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    ("settings", "terminal", "pipe"),
    [
        ({"TERM": "xterm"}, True, False),
        ({"TERM": "dumb"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": "1"}, False, False),
        ({"TERM": "xterm", "NO_COLOR": ""}, True, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1"}, True, True),
        ({"TERM": "xterm", "FORCE_COLOR": "0"}, True, False),
        ({"TERM": "xterm", "FORCE_COLOR": "1", "NO_COLOR": "1"}, False, False),
        ({"TERM": "dumb", "FORCE_COLOR": "1"}, True, True),
    ],
)
def test_colour_is_asked_of_the_environment(
    settings: dict[str, str], terminal: bool, pipe: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """NO_COLOR wins, then FORCE_COLOR, then what the terminal is."""
    for name in ("TERM", "NO_COLOR", "FORCE_COLOR"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert has_colour(Terminal()) == terminal
    assert has_colour(Pipe()) == pipe
    assert coloured("x", "31", Pipe()) == ("\x1b[31mx\x1b[0m" if pipe else "x")


def test_a_closed_stream_is_no_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one that is not there, as Python has it after `2>&-`."""
    monkeypatch.setenv("TERM", "xterm")
    assert not is_terminal(None)
    assert not is_terminal(Closed())
    assert can_redraw(Terminal())
    assert not can_redraw(Pipe())
