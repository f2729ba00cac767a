"""Can what is in a backup be of a store? A checksum shows damage, not numbers that make no sense.

A job that more has been done of than there is, a state of another size, a token above all that
were issued: each would fail the verbs or the workers that meet it, long after the store that was
replaced is gone. So everything is looked at before anything is changed. What two slices of a live
backup may contradict each other in (functions/backup.lua) is not held against it.
"""

from __future__ import annotations

import struct
from typing import Any, Final

from workmill.domain.job import COUNTERS, KEY_BYTES, Job
from workmill.domain.lifecycle import ENDED
from workmill.domain.limits import MAX_NAME_CHARACTERS, MAX_PRIORITY, MIN_PRIORITY
from workmill.store.bounds import TOKEN_STEP
from workmill.store.redis import records
from workmill.workloads.registry import find_workload, workload_names

_LARGEST_COUNT: Final = 2**62
_LATEST_MS: Final = 2**42
"""The year 2109: a store's time never goes back, so one from beyond that would stay there."""
_LARGEST_TOKEN: Final = records.MAX_TOTAL // 2
_LARGEST_RECEIPT: Final = 2**52
_BOUNDS: Final = {
    b"last_ms": _LATEST_MS,
    b"highest_token": _LARGEST_TOKEN,
    b"next_receipt": _LARGEST_RECEIPT,
    b"next_seq": 2**40,
}
_KINDS: Final = frozenset({"books", "known", "jobs", "names"})
_KNOWN: Final = struct.Struct(">HIHI32s")
_KNOWN_COUNTERS: Final = frozenset(name.encode() for name in COUNTERS)


class Audit:
    """Takes the frames of one backup, then says whether they go together."""

    def __init__(self) -> None:
        self._names: records.Names | None = None
        self._used: set[tuple[int, int]] = set()
        self._state_bytes: dict[int, int] = {}
        self._highest_token: int | None = None
        self._last_age = -1

    def take(self, kind: str, items: list[Any]) -> None:
        """Raises ValueError, with what is wrong, for what no store makes."""
        if kind not in _KINDS or not all(isinstance(one, bytes) for one in items):
            raise ValueError(f"has a part {kind[:20]!r} that no store makes")
        if kind == "books":
            self._take_books(items)
        elif kind == "names":
            self._names = _names(items)
        elif kind == "known":
            for raw in items:
                _check_known(raw)
        else:
            for raw in items:
                self._take_job(raw)

    def end(self) -> None:
        """All has been taken. Raises ValueError like `take`."""
        names = self._names or records.Names({}, {})
        if not all(one in names.tenants and other in names.workloads for one, other in self._used):
            raise ValueError("holds jobs of tenants or workloads that it does not name")
        if self._used and self._highest_token is None:
            raise ValueError("holds jobs and no books")
        for number, size in self._state_bytes.items():
            name = names.workloads[number]
            if name in workload_names() and find_workload(name).state_bytes != size:
                raise ValueError(f"holds states of {size} bytes, which {name} does not have")

    def _take_books(self, items: list[bytes]) -> None:
        if self._highest_token is not None or len(items) % 2:
            raise ValueError("has books that no store keeps")
        fields = dict(zip(items[::2], items[1::2], strict=True))
        for name, value in fields.items():
            if name in _BOUNDS or name in _KNOWN_COUNTERS:
                _check_number(name, value, _BOUNDS.get(name, _LARGEST_COUNT))
        self._highest_token = int(fields.get(b"highest_token", 0))

    def _take_job(self, raw: bytes) -> None:
        try:
            tenant, workload, job = records.copied_job(raw)
        except (ValueError, KeyError, TypeError, struct.error) as error:
            raise ValueError(f"holds a job that no store makes: {error}") from None
        wrong = self._wrong_with(job, raw, workload)
        if wrong is not None:
            raise ValueError(f"holds a job that no store makes: {wrong}")
        self._used.add((tenant, workload))

    def _wrong_with(self, job: Job, raw: bytes, workload: int) -> str | None:
        age = int.from_bytes(raw[: records.AGE_BYTES], "big")
        before, self._last_age = self._last_age, age
        known_size = self._state_bytes.setdefault(workload, len(job.state or b""))
        ended_at_ms = job.ended_at_ms or 0
        checks = {
            "more is done than there is": 0 < job.done <= job.total <= records.MAX_TOTAL,
            "nothing of it is left to do": job.status in ENDED or job.done < job.total,
            "its state has another size": len(job.state or b"") == known_size > 0,
            "its priority is none": MIN_PRIORITY <= job.priority <= MAX_PRIORITY,
            "its place is another's": before < age < _LATEST_MS * records.AGE_STEPS,
            "its token was never issued": job.token <= (self._highest_token or 0) + TOKEN_STEP,
            "it ended at no time": job.status not in ENDED or 0 < ended_at_ms < _LATEST_MS,
        }
        return next((wrong for wrong, right in checks.items() if not right), None)


def _check_number(name: bytes, value: bytes, bound: int) -> None:
    if not value.isdigit() or int(value) >= bound:
        raise ValueError(f"has books that no store keeps: {name.decode()[:40]} {value[:40]!r}")


def _names(items: list[bytes]) -> records.Names:
    if len(items) % 2:
        raise ValueError("has names that no store makes")
    try:
        names = records.names_of(items)
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


def _check_known(raw: bytes) -> None:
    if not _KNOWN.size < len(raw) <= _KNOWN.size + records.MAX_STATE_BYTES:
        raise ValueError("holds known work that no store makes")
    high, low, total_high, total_low, key = _KNOWN.unpack_from(raw)
    total = total_high << 32 | total_low
    if not (0 < total <= records.MAX_TOTAL and (high << 32 | low) < _LATEST_MS):
        raise ValueError("holds known work that no store makes")
    if len(key) != KEY_BYTES:
        raise ValueError("holds known work that no store makes")
