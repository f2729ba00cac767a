"""The verbs `backup` and `restore`.

A backup reads in slices through a link of its own while verbs go on; functions/backup.lua says why
that is right. It is written beside its place, checked, synced, and only then given its name.

A restore checks the whole file first. Then it fills the generation of keys that does not live, and
one call makes it the living one, with tokens above any that either store has ever issued and
receipts of a new epoch. Whatever ends it before that call leaves the store as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.store.durable_files import sync
from workmill.store.redis import backup_file, record_codec
from workmill.store.redis.backup_shard import ALONE, ShardPlace
from workmill.store.retention import TOKEN_STEP

KNOWN_SLICE: Final = 1000
LOAD_SLICE: Final = 500
EPOCH_BYTES: Final = 8
_CARRIED: Final = frozenset({b"last_ms", b"highest_token", b"next_receipt"})
"""Numbers of the books that go on; counts of what is there are made again by loading it."""

Call = Callable[..., Any]
"""One function of the library by its short name, and what it is given."""
Ready = Callable[[Callable[[], object]], None]
"""Waits until the restore may change over. It is given what to do now and then meanwhile, lest the
restore is taken for one that was given up."""


def at_once(_stay: Callable[[], object]) -> None:
    """`Ready` for a store that is alone."""


def backup(call: Call, file: Path, place: ShardPlace = ALONE) -> None:
    """See `Store.backup`. Raises StoreUnavailable, leaving `file` as it was, when it fails. `place`
    goes into the books."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        with partial.open("wb") as copy:
            _write(call, backup_file.Writer(copy), place)
        backup_file.check(partial, place)
        sync(partial)
        partial.replace(file)
        sync(file.parent)
    except (OSError, InvalidInput) as error:
        raise StoreUnavailable(
            f"The backup to {file} failed: {error}. The service is not touched; "
            "make room or mend the path, and try again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)


def _write(call: Call, writer: backup_file.Writer, place: ShardPlace) -> None:
    books = call("dump_books")
    below = int(dict(zip(books[::2], books[1::2], strict=True)).get(b"next_seq", 0))
    writer.add("books", [*books, *place.words()])
    read = 0
    while found := call("dump_known", read, KNOWN_SLICE):
        # What is forgotten meanwhile moves the rest up: some may be missed, for it is a cache.
        writer.add("known", [raw for raw in found if raw])
        read += len(found)
    page = 0
    while page >= 0:
        page, *jobs = call("dump_jobs", page, below)
        writer.add("jobs", jobs)
    writer.add("names", call("dump_names"))
    writer.end()


def restore(
    call: Call,
    file: Path,
    place: ShardPlace = ALONE,
    ready: Ready = at_once,
    together: str = "",
) -> None:
    """See `Store.restore`. Before it changes over it is `ready`, which may wait for others, and
    notes what the restore of all is called, so that one that was killed then is seen afterwards."""
    backup_file.check(file, place)
    who = _name()
    if not call("load_begin", who):
        raise StoreUnavailable(
            "Another restore is under way, or was cut off less than 20 seconds ago. Nothing was "
            "changed. Wait for its end, then try again."
        )
    try:
        _fill(call, who, file)
        if together:
            call("load_due", who, together)
        ready(lambda: call("load_names", who, []))
        call("load_switch", who, record_codec.packed(os.urandom(EPOCH_BYTES)), TOKEN_STEP, together)
    except BaseException:
        _tidy(call, _name(), failed=who)
        raise
    _tidy(call, who)


def _fill(call: Call, who: str, file: Path) -> None:
    """The generation that does not live, with what the file holds and nothing else."""
    _clear(call, who)
    for kind, items in backup_file.frames(file):
        if not _load(call, who, kind, items):
            raise backup_file.refusal(file, "holds a job twice")


def _name() -> str:
    return os.urandom(EPOCH_BYTES).hex()


def _tidy(call: Call, who: str, *, failed: str | None = None) -> None:
    """Remove what is not served; else the next purge does it, or the next restore. After one that
    has `failed` under another name: a late word of it must not make a store of what is left."""
    with suppress(StoreUnavailable):
        if failed is None or call("load_begin", who, failed):
            _clear(call, who)
            call("load_end", who)


def _load(call: Call, who: str, kind: str, items: list[Any]) -> bool:
    """Whether all of it could be loaded."""
    if kind == "books":
        fields = zip(items[::2], items[1::2], strict=True)
        items = [
            word
            for name, value in fields
            if name in _CARRIED or name.endswith(b"_total")
            for word in (name, value)
        ]
    for first in range(0, len(items), LOAD_SLICE):
        part = [record_codec.packed(raw) for raw in items[first : first + LOAD_SLICE]]
        if call(f"load_{kind}", who, part):
            return False
    return True


def _clear(call: Call, who: str) -> None:
    """Remove what lies in the generation that does not live: leftovers before, the old one or
    what was not finished afterwards."""
    cursor = b"0"
    while True:
        cursor = call("load_clear", who, cursor.decode())
        if cursor == b"0":
            return
