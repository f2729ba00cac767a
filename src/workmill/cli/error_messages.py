"""What a command that failed tells, by the kind of its error, and its exit code.

Whatever the error, it is a sentence or two on standard error, with every word from outside
escaped. Only what nobody foresaw names the lines of code that it came through: that is what a
report of it needs.
"""

from __future__ import annotations

import errno
import os
import sys
import traceback
from pathlib import Path
from typing import Any, Final

import typer

from workmill.cli.console import Styled, Unwritable, lead_nowhere, note, show_error
from workmill.domain.errors import WorkmillError
from workmill.telemetry.error_text import shortage
from workmill.telemetry.terminal_text import BOLD_RED

EXIT_REFUSED: Final = 1
EXIT_USED_WRONGLY: Final = 2
USED_WRONGLY: Final[type[Exception]] = typer.BadParameter.__mro__[1]
"""Typer's UsageError, which it exports under no name of its own."""
FRAMES: Final = 4
"""So many places of an unforeseen error are named, the innermost first."""
_WHAT_TO_DO: Final = {
    errno.ENOENT: "Check the path.",
    errno.EACCES: "Check its permissions, and which user runs this.",
    errno.EROFS: "Choose a place that can be written to.",
    errno.ENOSPC: "The disk is full: free some room, or choose another place.",
    errno.EDQUOT: "The quota is used up: free some room, or choose another place.",
    errno.EMFILE: "Raise the limit on open files: ulimit -n.",
    errno.ENOMEM: "Free some memory.",
}


def tell(error: Exception) -> int:
    """Say what happened and what to do; the exit code."""
    if isinstance(error, Unwritable):
        return _unwritable(error)
    error = shortage(error) or error
    if isinstance(error, WorkmillError):
        show_error(error)
    elif isinstance(error, USED_WRONGLY):
        return _used_wrongly(error)
    elif isinstance(error, typer.Abort):
        _red("Nothing was changed.")
    elif isinstance(error, OSError):
        _red(_os_error(error))
    elif isinstance(error, UnicodeError):
        _red(f"A name or text here is no valid Unicode ({_reason(error)}). Rename it, and retry.")
    else:
        _unforeseen(error)
    return EXIT_REFUSED


def _unwritable(error: Unwritable) -> int:
    """A reader who has seen enough (`| head`) needs no words; nor is the exit to fail again."""
    try:
        if sys.stdout is not None:
            lead_nowhere(sys.stdout)
    except (OSError, ValueError):
        sys.stdout = None  # as Python has it for a closed one
    if error.cause.errno != errno.EPIPE:
        _red(
            f"Standard output cannot be written: {error.cause.strerror}. What was done before "
            "stands; not all of it was shown."
        )
    return EXIT_REFUSED


def _used_wrongly(error: Any) -> int:
    context = error.ctx
    if context is not None:
        for line in context.get_usage().splitlines():
            note(line)
        note(f"Try: {context.command_path} --help")
    _red(" ".join(error.format_message().split()))
    return EXIT_USED_WRONGLY


def _os_error(error: OSError) -> str:
    if error.errno == errno.ENOENT and error.filename is None and _is_nowhere():
        return "The current folder was removed. Change to another one, and retry."
    said = error.strerror or str(error) or type(error).__name__
    where = f"{_name(error.filename)}: " if error.filename is not None else ""
    advice = _WHAT_TO_DO.get(error.errno or 0, "")
    return f"{where}{said}. {advice}".rstrip()


def _is_nowhere() -> bool:
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False


def _name(filename: object) -> str:
    return os.fsdecode(filename) if isinstance(filename, str | bytes) else f"descriptor {filename}"


def _reason(error: UnicodeError) -> str:
    return error.reason if isinstance(error, UnicodeEncodeError | UnicodeDecodeError) else "?"


def _unforeseen(error: Exception) -> None:
    places = traceback.extract_tb(error.__traceback__)[-FRAMES:]
    where = ", ".join(f"{Path(one.filename).name}:{one.lineno}" for one in reversed(places))
    _red(f"This is a fault of Workmill: {type(error).__name__}: {error}"[:500])
    note(f"What the service acknowledged stays so. Please report this, with: {where}")


def _red(text: str) -> None:
    note(Styled(text, BOLD_RED))
