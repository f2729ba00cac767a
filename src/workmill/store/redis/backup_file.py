"""The file of a backup: what is in it, and how it is known to be whole.

A line that says what it is, then frames (four bytes of length, one MessagePack value), then the
SHA-256 of all before it. A frame is a kind and what there is of it; the last one is `end`, with the
counts. Jobs come in the order of their seqs, known work before them, names after them: a name that
a job needs was there before the names were read.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from workmill.domain.errors import InvalidInput
from workmill.store.redis.backup_audit import Audit
from workmill.store.redis.backup_shard import ALONE, ShardPlace

MAGIC: Final = (
    b"Workmill backup of a Redis store, layout 1. Give it to `workmill restore`, whole.\n"
)
_LENGTH_BYTES: Final = 4
_MAX_FRAME_BYTES: Final = 64 * 1024 * 1024
_DIGEST_BYTES: Final = 32
Frame = tuple[str, list[Any]]


class Writer:
    """Writes the frames of one file and keeps its digest."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._digest = hashlib.sha256()
        self._counts: Counter[str] = Counter()
        self._put(MAGIC)

    def add(self, kind: str, items: list[Any]) -> None:
        """One frame of this kind, unless there is nothing in it."""
        if items:
            self._counts[kind] += len(items)
            self._frame((kind, items))

    def end(self) -> None:
        """The last frame and the digest."""
        self._frame(("end", list(self._counts.items())))
        self._file.write(self._digest.digest())

    def _frame(self, frame: Frame) -> None:
        raw = msgspec.msgpack.encode(frame)
        self._put(len(raw).to_bytes(_LENGTH_BYTES, "big") + raw)

    def _put(self, raw: bytes) -> None:
        self._digest.update(raw)
        self._file.write(raw)


def frames(path: Path) -> Iterator[Frame]:
    """The frames of a file, one by one, without the last. Raises InvalidInput where it is not
    whole, at the latest at its end."""
    try:
        with path.open("rb") as file:
            yield from _frames(file, path)
    except (OSError, msgspec.MsgspecError, TypeError) as error:
        raise refusal(path, f"cannot be read: {error}") from None


def _frames(file: BinaryIO, path: Path) -> Iterator[Frame]:
    digest = hashlib.sha256()
    if file.read(len(MAGIC)) != MAGIC:
        raise refusal(path, "is no backup of a Redis store")
    digest.update(MAGIC)
    counts: Counter[str] = Counter()
    while True:
        head = file.read(_LENGTH_BYTES)
        size = int.from_bytes(head, "big")
        raw = file.read(size) if size <= _MAX_FRAME_BYTES else b""
        if not raw or len(raw) != size:
            raise refusal(path, "ends too early or is damaged")
        digest.update(head + raw)
        kind, items = msgspec.msgpack.decode(raw, type=Frame)
        if kind == "end":
            if file.read(_DIGEST_BYTES + 1) != digest.digest() or dict(items) != dict(counts):
                raise refusal(path, "is damaged: its checksum is another")
            return
        counts[kind] += len(items)
        yield kind, items


def check(path: Path, place: ShardPlace = ALONE, *, within: Path | None = None) -> bytes:
    """Read it all; its name. Raises InvalidInput unless it is whole, nothing in it contradicts
    itself, and it is of the shard at `place`. `within`: the file that it was given in."""
    audit = Audit(place)
    try:
        for kind, items in frames(path):
            if kind == "names":
                audit.take_names(items)
        for kind, items in frames(path):
            audit.take(kind, items)
        return audit.end()
    except ValueError as error:
        raise refusal(within or path, str(error)) from None


def refusal(path: Path, problem: str) -> InvalidInput:
    """What a person reads who gave this file."""
    return InvalidInput(f"{path} {problem}. Nothing was changed. Give a whole backup.")
