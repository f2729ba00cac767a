"""Whatever a command raises ends in words, and in the right exit code."""

from __future__ import annotations

import errno
import io
import os
import sys
from pathlib import Path

import pytest

from workmill.cli import main as command
from workmill.cli.console import Unwritable, announce, draw, print_json, rich_console, show_error
from workmill.domain.errors import InvalidInput, NotFound, StoreFull, WorkmillError


def ended(
    error: BaseException, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    """The exit code and the words when a command raises this."""

    def run(_arguments: object) -> int:
        raise error

    monkeypatch.setattr(command, "_run", run)
    with pytest.raises(SystemExit) as end:
        command.main()
    assert isinstance(end.value.code, int)
    return end.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (NotFound("No job has this id."), 1, "No job has this id."),
        (StoreFull("It is full."), 1, "no room for anything new"),
        (FileNotFoundError(2, "No such file", "/a\x1bb"), 1, r"/a\x1bb: No such file. Check"),
        (PermissionError(13, "Permission denied", b"/\xff"), 1, r"/\xff: Permission denied."),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/d"), 1, "/d: No space left"),
        (OSError("odd"), 1, "odd."),
        (UnicodeEncodeError("utf-8", "\udcff", 0, 1, "no surrogates"), 1, "no valid Unicode"),
        (MemoryError(), 1, "not enough memory"),
        (RecursionError("too deep"), 1, "fault of Workmill: RecursionError: too deep"),
        (KeyError("x"), 1, "fault of Workmill: KeyError"),
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, "Broken pipe"),
        (Unwritable(OSError(errno.EIO, "Input/output error")), 1, "Input/output error"),
        (KeyboardInterrupt(), 130, "Interrupted."),
    ],
)
def test_an_error_is_words_and_a_code(
    error: BaseException,
    code: int,
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """No traceback for any of them, and no control character."""
    found, said = ended(error, monkeypatch, capsys)
    assert found == code
    assert words in said
    assert "Traceback" not in said
    assert all(line.isprintable() for line in said.splitlines())


def test_what_nobody_foresaw_names_where_it_was(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A report of it needs the place, the innermost first."""
    _, said = ended(ValueError("x" * 9000), monkeypatch, capsys)
    assert "Please report this, with: test_error_messages.py:" in said
    assert len(said) < 1000


def test_a_folder_that_was_removed_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`demo` in it ends before it has begun."""
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    monkeypatch.setattr(sys, "argv", ["workmill", "demo"])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 1
    assert capsys.readouterr().err.startswith("The current folder was removed.")


def test_a_reader_that_left_hears_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    left = Unwritable(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    assert ended(left, monkeypatch, capsys) == (1, "")


@pytest.mark.parametrize("seconds", [1e300, -5.0, 0.0, float("nan"), float("inf")])
def test_a_time_to_wait_that_is_none_is_not_told(
    seconds: float, capsys: pytest.CaptureFixture[str]
) -> None:
    """A peer names it, and it may be anything."""
    show_error(WorkmillError("Not now.", retry_after_seconds=seconds))
    assert "Try again" not in capsys.readouterr().err


def test_a_time_to_wait_is_told_in_whole_seconds_that_have_gone_by(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Never 0: that would be an invitation to ask in a loop."""
    show_error(WorkmillError("Not now.", retry_after_seconds=0.3))
    assert "Try again in 1 s." in capsys.readouterr().err


def test_a_local_refusal_has_no_talk_of_requests(capsys: pytest.CaptureFixture[str]) -> None:
    show_error(InvalidInput("The key file is empty."))
    assert capsys.readouterr().err == "The key file is empty.\n"


def test_json_is_valid_whatever_a_name_holds(capsysbinary: pytest.CaptureFixture[bytes]) -> None:
    """A byte that is no character has no place in JSON; all else is exact."""
    print_json({"name": "b\udcff\n", "reason": "a\x1b\n\u202e"})
    said = capsysbinary.readouterr().out
    assert rb"b\\xff" in said
    print_json({"reason": "a\x1b\n\u202e"})
    assert capsysbinary.readouterr().out == '{"reason":"a\\u001b\\n\u202e"}\n'.encode()


def test_a_service_outlives_an_announcement_that_nobody_can_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`up >/dev/full` serves, and standard error has the address."""
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stdout", full)
        announce("Workmill is ready at http://127.0.0.1:5000.")
        monkeypatch.undo()
        with pytest.raises(OSError, match="No space left"):
            full.flush()
        os.dup2(os.open(os.devnull, os.O_WRONLY), full.fileno())
    assert "Workmill is ready at http://127.0.0.1:5000." in capsys.readouterr().err


class Full(io.StringIO):
    """Takes nothing: a disk, or a terminal that was closed."""

    def write(self, _text: str) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def flush(self) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_table_that_cannot_be_shown_is_about_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rich flushes by itself, and its error would have been told as that of some disk."""
    monkeypatch.setattr(sys, "stdout", Full())
    with pytest.raises(Unwritable):
        draw("a table")
    with pytest.raises(Unwritable):
        rich_console(sys.stdout).print("a live view")


class Unread(Full):
    """A pipe or a terminal that takes nothing, after Ctrl-C."""

    def flush(self) -> None:
        raise BlockingIOError(errno.EAGAIN, "Its reader takes nothing")


def test_an_interrupted_view_ends_as_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is the Ctrl-C lost over what its last words met."""
    monkeypatch.setattr(sys, "stdout", Unread())
    monkeypatch.setattr(Unread, "write", lambda self, text: self.flush() or len(text))
    rich_console(sys.stdout).print("the last view")


def test_a_bar_that_cannot_be_shown_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes to standard error, which is of interest only now."""
    monkeypatch.setattr(sys, "stderr", Full())
    rich_console(sys.stderr).print("half of it")


@pytest.mark.parametrize(
    "words", ["--scale nan", "--scale inf", "--start-seconds nan", "--seed 1.5", "--frob"]
)
def test_a_number_that_is_none_is_used_wrongly(
    words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`nan` passes every comparison, and is refused all the same."""
    monkeypatch.setattr(sys, "argv", ["workmill", "simulate", "burst", *words.split()])
    with pytest.raises(SystemExit) as end:
        command.main()
    assert end.value.code == 2
    assert "Try: workmill simulate --help" in capsys.readouterr().err
