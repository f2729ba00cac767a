"""Reading a file piece by piece, while somebody may watch how far it has come."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeAlias

CHUNK_BYTES: Final = 256 * 1024

Heard: TypeAlias = Callable[[int], None]
"""Hears how many bytes of the file are done with."""


def unheard(_done_bytes: int) -> None:
    """Nobody watches."""


def chunks_of(path: Path, heard: Heard = unheard) -> Iterator[bytes]:
    """All of the file, in pieces; each is told of when it has been taken and the next is asked
    for."""
    done_bytes = 0
    with path.open("rb") as file:
        while chunk := file.read(CHUNK_BYTES):
            yield chunk
            done_bytes += len(chunk)
            heard(done_bytes)
