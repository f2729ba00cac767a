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
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeAlias

import typer

from workmill.cli.console import note
from workmill.domain.errors import InvalidInput
from workmill.telemetry.screen import is_terminal

STANDARD_INPUT: Final = "-"
CHUNK_BYTES: Final = 256 * 1024
IN_MEMORY_BYTES: Final = 8 * 1024 * 1024
"""Eight times what an endpoint takes unless it was told otherwise."""

Content: TypeAlias = bytes | Path | Iterator[bytes]


class Input(NamedTuple):
    """The data, and its size where that is known before it is read."""

    data: Content
    size_bytes: int = 0


def existing(word: str) -> str:
    """The word itself when something can be read there. Raises BadParameter (exit 2)."""
    if word == STANDARD_INPUT:
        return word
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
        return Input(_whole_or_flowing(_standard_input()))
    found = Path(word).stat()
    if stat.S_ISREG(found.st_mode) and found.st_size:
        return Input(Path(word), found.st_size)
    return Input(_whole_or_flowing(Path(word).open("rb")))


def _standard_input() -> BinaryIO:
    if sys.stdin is None:
        raise InvalidInput("Standard input is closed. Nothing was submitted. Name a file instead.")
    if is_terminal(sys.stdin):
        note("Reading the data from this terminal. Ctrl-D at the start of a line ends it.")
    return sys.stdin.buffer


def _whole_or_flowing(stream: BinaryIO) -> bytes | Iterator[bytes]:
    """All of a short stream, or an iterator over a long one."""
    try:
        head = stream.read(IN_MEMORY_BYTES + 1)
    except OSError as error:
        raise OSError(error.errno or errno.EIO, error.strerror, "the input") from None
    if len(head) <= IN_MEMORY_BYTES:
        if not head:
            note("The data is empty: zero bytes are hashed.")
        return head
    return _flowing(head, stream)


def _flowing(head: bytes, stream: BinaryIO) -> Iterator[bytes]:
    yield head
    while chunk := stream.read(CHUNK_BYTES):
        yield chunk
