"""Can what is in a backup be of a store? A checksum shows damage, not numbers that make no sense.

A job that more has been done of than there is, a state of another size, a token above all that
were issued: each would fail the verbs or the workers that meet it, long after the store that was
replaced is gone. So everything is looked at before anything is changed. What two slices of a live
backup may contradict each other in (functions/backup.lua) is not held against it.
"""

from __future__ import annotations

import struct
from typing import Any, Final, NamedTuple

from workmill.domain.job import COUNTERS, Job
from workmill.domain.lifecycle import ENDED, FINISHED, RUNNING
from workmill.domain.limits import (
    MAX_NAME_CHARACTERS,
    MAX_PRIORITY,
    MAX_REASON_CHARACTERS,
    MIN_PRIORITY,
)
from workmill.store.initial_states import Kind, is_first_state, kind_of, size_of
from workmill.store.redis import record_codec
from workmill.store.redis.backup_shard import ALONE, ShardPlace
from workmill.store.retention import TOKEN_STEP

_LARGEST_COUNT: Final = 2**62
_LATEST_MS: Final = 2**42
"""The year 2109: a store's time never goes back, so one from beyond that would stay there."""
_LONGEST_BACKUP_MS: Final = 24 * 3600 * 1000
"""The books are read first: what ended while the rest was read is later than they say."""
_LARGEST_TOKEN: Final = record_codec.MAX_TOTAL // 2
_LARGEST_RECEIPT: Final = 2**52
_BOUNDS: Final = {
    b"last_ms": _LATEST_MS,
    b"highest_token": _LARGEST_TOKEN,
    b"next_receipt": _LARGEST_RECEIPT,
    b"next_seq": 2**40,
    b"last_age": _LATEST_MS * record_codec.AGE_STEPS,
}
_KINDS: Final = frozenset({"books", "known", "jobs", "names"})
_KNOWN: Final = struct.Struct(">HIHI32s")
"""When, the total (each in two parts), the key; the state follows."""
_KNOWN_COUNTERS: Final = frozenset(name.encode() for name in COUNTERS)


class Audit:
    """Takes the names of one backup, then all of its frames, and says what does not go together."""

    def __init__(self, place: ShardPlace = ALONE) -> None:
        self._place = place
        self._backup: bytes | None = None
        self._names: record_codec.Names | None = None
        self._kinds: dict[tuple[int, int], Kind] = {}
        self._state_bytes: dict[int, int] = {}
        self._books: _Books | None = None
        self._last_age = -1

    def take_names(self, items: list[Any]) -> None:
        """Before anything else: what the numbers in the jobs mean. Raises ValueError."""
        if self._names is not None or not all(isinstance(one, bytes) for one in items):
            raise ValueError("has names that no store makes")
        self._names = names = _names(items)
        sizes = {number: size_of(name) for number, name in names.workloads.items()}
        self._state_bytes = {number: size for number, size in sizes.items() if size is not None}

    def take(self, kind: str, items: list[Any]) -> None:
        """Raises ValueError, with what is wrong, for what no store makes."""
        if kind not in _KINDS or not all(isinstance(one, bytes) for one in items):
            raise ValueError(f"has a part {kind[:20]!r} that no store makes")
        if kind == "books":
            self._take_books(items)
        elif kind == "known":
            for raw in items:
                self._take_known(raw)
        elif kind == "jobs":
            for raw in items:
                self._take_job(raw)

    def end(self) -> bytes:
        """The name of the backup. Raises ValueError where there were no books."""
        if self._backup is None:
            raise ValueError("has no books")
        return self._backup

    def _take_books(self, items: list[bytes]) -> None:
        if self._books is not None or len(items) % 2:
            raise ValueError("has books that no store keeps")
        fields = dict(zip(items[::2], items[1::2], strict=True))
        for name, value in fields.items():
            if name in _BOUNDS or name in _KNOWN_COUNTERS:
                _check_number(name, value, _BOUNDS.get(name, _LARGEST_COUNT))
        self._backup = self._place.check(fields)
        self._books = _Books(
            int(fields.get(b"highest_token", 0)) + TOKEN_STEP,
            int(fields.get(b"last_ms", 0)) + _LONGEST_BACKUP_MS,
            int(fields.get(b"last_age", 0)),
        )

    def _told(self) -> tuple[_Books, record_codec.Names]:
        if self._books is None or self._names is None:
            raise ValueError("holds jobs or known work, and no books or names before them")
        return self._books, self._names

    def _take_known(self, raw: bytes) -> None:
        books, names = self._told()
        if not _KNOWN.size < len(raw) <= _KNOWN.size + record_codec.MAX_STATE_BYTES:
            raise ValueError("holds known work that no store makes")
        high, low, total_high, total_low, _ = _KNOWN.unpack_from(raw)
        total, state = total_high << 32 | total_low, raw[_KNOWN.size :]
        sizes = self._state_bytes
        if not (0 < total <= record_codec.MAX_TOTAL and (high << 32 | low) <= books.latest_ms):
            raise ValueError("holds known work that no store makes")
        if len(sizes) == len(names.workloads) and len(state) not in sizes.values():
            raise ValueError("holds known work of a size that none of its workloads has")

    def _take_job(self, raw: bytes) -> None:
        books, names = self._told()
        try:
            tenant, workload, job = record_codec.copied_job(raw, names)
        except KeyError:
            raise ValueError("holds a job of no tenant, workload or status that it names") from None
        except (ValueError, TypeError, struct.error) as error:
            raise _no_job(str(error)) from None
        age = int.from_bytes(raw[: record_codec.AGE_BYTES], "big")
        before, self._last_age = self._last_age, age
        known_size = self._state_bytes.setdefault(workload, len(job.state))
        kind = self._kinds.get((tenant, workload))
        if kind is None:
            kind = self._kinds[tenant, workload] = kind_of(job.tenant, job.workload)
        if not before < age <= books.last_age:
            raise _no_job("its place is another's")
        if not len(job.state) == known_size > 0:
            raise _no_job("its state has another size")
        if wrong := _wrong_with(job, books) or _wrong_state(job, kind):
            raise _no_job(wrong)


class _Books(NamedTuple):
    """What bounds the jobs."""

    highest_token: int
    latest_ms: int
    last_age: int


def _no_job(why: str) -> ValueError:
    return ValueError(f"holds a job that no store makes: {why}")


def _wrong_with(job: Job, books: _Books) -> str | None:
    checks = {
        "more is done than there is": 0 < job.done <= job.total <= record_codec.MAX_TOTAL,
        "nothing of it is left to do": job.status in ENDED or job.done < job.total,
        "its priority is none": MIN_PRIORITY <= job.priority <= MAX_PRIORITY,
        "its token was never issued": job.token <= books.highest_token,
        "it ended at no time": job.status not in ENDED
        or 0 < (job.ended_at_ms or 0) <= books.latest_ms,
        "its reason is too long": len(job.reason or "") <= MAX_REASON_CHARACTERS,
        "its worker's name is too long": len(job.worker or "") <= MAX_NAME_CHARACTERS,
    }
    return next((wrong for wrong, right in checks.items() if not right), None)


def _wrong_state(job: Job, kind: Kind) -> str | None:
    is_first = job.done == 1 and (job.status in FINISHED or job.status in RUNNING)
    if is_first and not is_first_state(kind, job.state, job.key):
        return "its state is not what its key says"
    return None


def _check_number(name: bytes, value: bytes, bound: int) -> None:
    if not value.isdigit() or int(value) >= bound:
        raise ValueError(f"has books that no store keeps: {name.decode()[:40]} {value[:40]!r}")


def _names(items: list[bytes]) -> record_codec.Names:
    if len(items) % 2:
        raise ValueError("has names that no store makes")
    try:
        names = record_codec.names_of(items)
    except ValueError:
        raise ValueError("has names that no store makes") from None
    fields = dict(zip(items[::2], items[1::2], strict=True))
    for mark, numbered in ((b"t", names.tenants), (b"w", names.workloads)):
        back = {number: name for name, number in fields.items() if name[:1] == mark}
        if back != {b"%d" % number: mark + name.encode() for number, name in numbered.items()}:
            raise ValueError("has names whose two directions differ")
    for name in (*names.tenants.values(), *names.workloads.values()):
        if not 0 < len(name) <= MAX_NAME_CHARACTERS:
            raise ValueError("has names that no store makes")
    return names
