"""Backup and restore of all parts: one file, which holds the file of each part as it is.

A line that says what it is, how many parts, then for each its length and its bytes, then the
SHA-256 of all before it. The parts are copied side by side, each while it serves. They are not of
one instant, and need not be: no job is in two parts, and nothing in one refers to another.

A restore checks the whole file before anything is changed, and needs all parts. They are filled
side by side, and change over when all have been filled (`restore_barrier`): whatever fails before
leaves all as they were. When some fail in that last moment, the error says so, the others hold the
backup, and the same restore again completes it. Parts that the backup does not have (they were
added since) are restored to nothing.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from pathlib import Path
from typing import BinaryIO, Final

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.store.durable_files import NO_ROOM, sync
from workmill.store.redis import backup_file
from workmill.store.redis.backup_shard import ShardPlace
from workmill.store.sharded.placement import MAX_PARTS
from workmill.store.sharded.restore_barrier import Abandoned, Muster
from workmill.store.sharded.shard import Part

MAGIC: Final = (
    b"Workmill backup of a store of several parts, layout 1. Give it to `workmill restore`.\n"
)
_LENGTH_BYTES: Final = 8
_CHUNK_BYTES: Final = 1024 * 1024
_DIGEST_BYTES: Final = 32
_NAME_BYTES: Final = 8


def backup(parts: Sequence[Part], file: Path) -> None:
    """See `Store.backup`. Raises StoreUnavailable, leaving `file` as it was, when it fails."""
    name = os.urandom(_NAME_BYTES).hex().encode()
    try:
        with tempfile.TemporaryDirectory(prefix=".workmill-", dir=file.parent) as made:
            copies = [Path(made, str(part.number)) for part in parts]
            places = [ShardPlace(part.number, len(parts), name) for part in parts]
            _side_by_side(
                [
                    partial(part.opened.verbs.backup, copy, place)
                    for part, copy, place in zip(parts, copies, places, strict=True)
                ]
            )
            whole = Path(made, "whole")
            _join(copies, whole)
            sync(whole)
            whole.replace(file)
        sync(file.parent)
    except OSError as error:
        raise StoreUnavailable(
            f"The backup to {file} failed: {error}. The service is not touched; "
            "make room or mend the path, and try again."
        ) from error


def restore(parts: Sequence[Part], file: Path) -> None:
    """See `Store.restore`. Raises InvalidInput having changed nothing, StoreUnavailable when that
    is so, too, or when some parts may hold the backup and others what they had: it says which."""
    _refuse_if_away(parts)
    with tempfile.TemporaryDirectory(prefix=".workmill-", dir=_folder_of(file)) as made:
        copies = _checked(parts, file, Path(made))
        muster = Muster(len(parts))
        futures = [
            part.alone(lambda opened, given=given: opened.restore(*given, muster))  # type: ignore[misc]
            for part, given in zip(parts, copies, strict=True)
        ]
        wait(futures)
    errors = zip(parts, [future.exception() for future in futures], strict=True)
    _tell([(part, error) for part, error in errors if error is not None], muster)


def _refuse_if_away(parts: Sequence[Part]) -> None:
    """Else the others would be restored, and this one when it is back."""
    for part in parts:
        if part.away is not None:
            raise StoreUnavailable(
                f"{part.name} cannot be used now: {part.away.detail} A restore needs all parts. "
                "Nothing was changed. Bring it back, then try again."
            )


def _checked(parts: Sequence[Part], file: Path, folder: Path) -> list[tuple[Path, ShardPlace]]:
    """A file for each part and its place in it, empty for those that were added since."""
    copies = _part(file, folder)
    count = len(copies)
    if count > len(parts):
        raise backup_file.refusal(
            file, f"has {count} parts, and this store {len(parts)}: none may be left out"
        )
    places = [ShardPlace(number, count) for number in range(len(parts))]
    checked = zip(copies, places, strict=False)
    if len({backup_file.check(copy, place, within=file) for copy, place in checked}) > 1:
        raise backup_file.refusal(file, "has parts of several backups")
    copies += [_empty(Path(folder, str(one.number)), one) for one in places[count:]]
    return list(zip(copies, places, strict=True))


def _tell(failed: Sequence[tuple[Part, BaseException]], muster: Muster) -> None:
    """Raise what a restore comes to in which these parts have failed."""
    names = ", ".join(
        f"{part.name} ({error})" for part, error in failed if not isinstance(error, Abandoned)
    )
    if muster.failed:
        raise StoreUnavailable(
            f"These parts could not take the backup: {names}. Nothing was changed in any part. "
            "Make room there or bring them back, then try again."
        )
    if failed:
        raise StoreUnavailable(
            f"It is not known of these parts whether they were restored: {names}. The others "
            "hold the backup. Restore the same file again when all parts are there."
        )


def _side_by_side(acts: Sequence[Callable[[], None]]) -> None:
    with ThreadPoolExecutor(len(acts)) as threads:
        for future in [threads.submit(act) for act in acts]:
            future.result()


def _join(copies: Sequence[Path], whole: Path) -> None:
    digest = hashlib.sha256()
    with whole.open("wb") as file:

        def put(raw: bytes) -> None:
            digest.update(raw)
            file.write(raw)

        put(MAGIC + len(copies).to_bytes(1, "big"))
        for copy in copies:
            put(copy.stat().st_size.to_bytes(_LENGTH_BYTES, "big"))
            with copy.open("rb") as source:
                while chunk := source.read(_CHUNK_BYTES):
                    put(chunk)
        file.write(digest.digest())


def _folder_of(file: Path) -> Path | None:
    """Beside the backup, where there must be room for it, if that can be written to."""
    return file.parent if os.access(file.parent, os.W_OK) else None


def _part(file: Path, folder: Path) -> list[Path]:
    """The files of the parts. Raises InvalidInput unless the file is whole."""
    try:
        with file.open("rb") as whole:
            return _parted(whole, file, folder)
    except OSError as error:
        if error.errno in NO_ROOM:  # for the copies of its parts, which is no word about it
            raise
        raise backup_file.refusal(file, f"cannot be read: {error}") from None


def _parted(whole: BinaryIO, file: Path, folder: Path) -> list[Path]:
    digest = hashlib.sha256()

    def take(size: int) -> bytes:
        raw = whole.read(size)
        digest.update(raw)
        if len(raw) != size:
            raise backup_file.refusal(file, "ends too early or is damaged")
        return raw

    if whole.read(len(MAGIC)) != MAGIC:
        raise backup_file.refusal(file, "is no backup of a store of several parts")
    digest.update(MAGIC)
    copies = [Path(folder, str(number)) for number in range(take(1)[0])]
    if not 0 < len(copies) <= MAX_PARTS:
        raise backup_file.refusal(file, "has no parts, or too many")
    for copy in copies:
        left = int.from_bytes(take(_LENGTH_BYTES), "big")
        with copy.open("wb") as sink:
            while left:
                chunk = take(min(left, _CHUNK_BYTES))
                sink.write(chunk)
                left -= len(chunk)
    if whole.read(_DIGEST_BYTES + 1) != digest.digest():
        raise backup_file.refusal(file, "is damaged: its checksum is another")
    return copies


def _empty(path: Path, place: ShardPlace) -> Path:
    with path.open("wb") as file:
        writer = backup_file.Writer(file)
        writer.add("books", place.words())
        writer.end()
    return path


__all__ = ["InvalidInput", "backup", "restore"]
