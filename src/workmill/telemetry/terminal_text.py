"""What may go to a terminal, decided once: for the log, for the commands, and for what draws.

Text that came from outside (a file's name, a job's reason, a peer's words) passes `printable`
before a person reads it, so that nothing in it can move a cursor, turn the direction of a line or
begin a line of its own. The environment is read when something is shown, not at import.
"""

from __future__ import annotations

import os
import re
from typing import Final, Protocol

BOLD_RED: Final = "31;1"
RED: Final = "31"
GREEN: Final = "32"
BOLD_GREEN: Final = "32;1"
YELLOW: Final = "33"
CYAN: Final = "36"
FAINT: Final = "2"
"""Parameters of SGR (ECMA-48, section 8.3.117)."""

_NO_CURSOR: Final = frozenset({"dumb", "unknown"})
_RAW_BYTES: Final = range(0xDC80, 0xDD00)
"""What Python makes of bytes in a name that are no UTF-8 (PEP 383)."""

_ESCAPED_MARK: Final = r"\udc"
_ESCAPED_BYTE: Final = re.compile(r"\\udc([89a-f][0-9a-f])")


class Stream(Protocol):
    """Anything that can be a terminal."""

    def isatty(self) -> bool: ...


def printable(text: str) -> str:
    r"""The text on one line, with whatever is no visible character escaped: `\x1b`, `\n`, `\u202e`.

    A byte of a file name that is no UTF-8 shows as that byte, `\xff`, also where somebody (Python's
    `repr`, Typer) has escaped it before as the character that stands for it, `\udcff`.
    """
    if _ESCAPED_MARK in text:
        text = _ESCAPED_BYTE.sub(r"\\x\1", text)
    if text.isprintable():
        return text
    return "".join(one if one.isprintable() else _escaped(one) for one in text)


def _escaped(character: str) -> str:
    if ord(character) in _RAW_BYTES:
        return f"\\x{ord(character) - 0xDC00:02x}"
    return character.encode("unicode_escape").decode("ascii")


def is_terminal(stream: Stream | None) -> bool:
    """Whether a person looks at it; a closed one shows nobody anything."""
    try:
        return stream is not None and stream.isatty()
    except (OSError, ValueError):
        return False


def can_redraw(stream: Stream | None) -> bool:
    """Whether what was written can be written over: bars and live views need that."""
    return is_terminal(stream) and os.environ.get("TERM", "") not in _NO_CURSOR


def has_colour(stream: Stream | None) -> bool:
    """Whether to colour what goes there.

    NO_COLOR, not empty, wins (no-color.org); then FORCE_COLOR, not empty and not 0, which colours a
    pipe too; else terminals are coloured, but for TERM=dumb.
    """
    if os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR", "0") not in {"", "0"}:
        return True
    return can_redraw(stream)


def coloured(text: str, colour: str, stream: Stream | None) -> str:
    """The text as it goes to this stream: between two control sequences, or as it is."""
    return f"\x1b[{colour}m{text}\x1b[0m" if colour and has_colour(stream) else text
