"""What `submit` sends: a file, or what comes out of a pipe, which cannot be read twice.

The word is judged as it was typed: `-` is standard input, `./-` a file of that name. A pipe that
ends within `IN_MEMORY_BYTES` is held, and may be sent again when the service is away; what is
longer goes on as it comes, once, so that this process stays small.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

import typer

from workmill.cli.console import STDIN, note
from workmill.domain.errors import InvalidInput
from workmill.process.entry import was_closed
from workmill.telemetry.terminal_text import is_terminal

STANDARD_INPUT: Final = "-"
IN_MEMORY_BYTES: Final = 8 * 1024 * 1024
"""Eight times what an endpoint takes unless it was told otherwise."""


class Flow:
    """A stream of which a head was read already, to be read once, piece by piece."""

    def __init__(self, head: bytes, stream: BinaryIO, name: str) -> None:
        self._head, self._stream, self._name = head, stream, name

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes more; none at the end."""
        if not self._head:
            return _read(self._stream, size, self._name)
        piece, self._head = self._head[:size], self._head[size:]
        return piece


class Input(NamedTuple):
    """The data, and its size where that is known before it is read."""

    data: bytes | Path | Flow
    size_bytes: int = 0


def existing(word: str) -> str:
    """The word itself when something can be read there. Raises BadParameter (exit 2)."""
    if word == STANDARD_INPUT:
        return word
    if not word:
        raise typer.BadParameter("an empty name is no file that can be read")
    try:
        mode = Path(word).stat().st_mode
    except OSError as error:
        raise typer.BadParameter(
            f"{word!r} is no file that can be read: {error.strerror}"
        ) from None
    if stat.S_ISDIR(mode):
        raise typer.BadParameter(f"{word!r} is a folder, no file that can be read")
    if not os.access(word, os.R_OK):
        raise typer.BadParameter(f"{word!r} is no file that can be read by this user")
    return word


def opened(word: str) -> Input:
    """What is behind the word. Raises InvalidInput when standard input is closed, and OSError."""
    if word == STANDARD_INPUT:
        return Input(_whole_or_flowing(_standard_input(), "standard input"))
    found = Path(word).stat()
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return Input(Path(word), found.st_size)
    return Input(_whole_or_flowing(Path(word).open("rb"), word))


def _standard_input() -> BinaryIO:
    if sys.stdin is None or was_closed(STDIN):
        raise InvalidInput("Standard input is closed. Nothing was submitted. Name a file instead.")
    if is_terminal(sys.stdin):
        note("Reading the data from this terminal. Ctrl-D at the start of a line ends it.")
    return sys.stdin.buffer


def _whole_or_flowing(stream: BinaryIO, name: str) -> bytes | Flow:
    """All of a short stream, or one that goes on as it comes."""
    head = _read(stream, IN_MEMORY_BYTES + 1, name)
    if len(head) <= IN_MEMORY_BYTES:
        if not head:
            note("The data is empty: zero bytes are hashed.")
        return head
    return Flow(head, stream, name)


def _read(stream: BinaryIO, size: int, name: str) -> bytes:
    """The stream's next bytes. Raises OSError with its name."""
    try:
        return stream.read(size)
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror, name) from None
