"""What the Lua functions take and give as bytes, for whoever speaks to them.

The layout of a job is written down in functions/records.lua and functions/submit.lua; numbers are
big-endian there, and sizes that `struct` has no letter for are read as two parts.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from workmill.domain.errors import InvalidInput
from workmill.domain.ids import ID_BYTES
from workmill.domain.job import KEY_BYTES, Job, Lease, NewJob, Submitted, Verdict
from workmill.domain.lifecycle import ENDED, FINISHED, Status
from workmill.domain.queue_profile import QueuePlace

CODES: Final = {status: code for code, status in enumerate(Status, start=1)}
"""Status -> its number in a record: four bits. A new status goes to the end of the enumeration, or
the layout's number must rise."""
BY_CODE: Final = {code: status for status, code in CODES.items()}
AGE_STEPS: Final = 2048
AGE_BYTES: Final = 8
MAX_TOTAL: Final = 2**42
"""Sums of a batch's iterations are still exact in Lua, whose numbers are doubles."""
MAX_STATE_BYTES: Final = 0xFFFF

_NEW: Final = struct.Struct(">16sHbQQQ32s")
_WORD: Final = struct.Struct(">16sQQQ")
_FIELDS: Final = "B5xHHbHIHIBI32s"
_HEAD: Final = struct.Struct(f">{_FIELDS}")
"""Behind the seq: tenant, workload, priority, then total, done and token in two parts each."""
_SHOWN: Final = struct.Struct(f">Q16s{_FIELDS}")
"""A job as `get` answers it: age and id before the record."""
_STATE_AT: Final = _SHOWN.size
_TAIL: Final = struct.Struct(">HIHI")
_TOLD: Final = struct.Struct(">BBHI")
_WAITS: Final = struct.Struct(">hHBI")
"""Rank, and age (7 bytes) in parts."""
_SHORT_STRING: Final = 32
_FIXSTR: Final = tuple(bytes([0xA0 | size]) for size in range(_SHORT_STRING))
_VERDICTS: Final = {
    ord("A"): Verdict.APPLIED,
    ord("S"): Verdict.STALE,
    ord("U"): Verdict.UNKNOWN,
    ord("R"): Verdict.REFUSED,
}
_CREATED, _CONFLICT = 1, 2


class Names(NamedTuple):
    """The names that the numbers in some records mean."""

    tenants: dict[int, str]
    workloads: dict[int, str]


def packed(raw: bytes) -> msgspec.Raw:
    """Bytes as MessagePack's older string, which is the one that Redis 7.0 can read."""
    size = len(raw)
    if size < _SHORT_STRING:
        return msgspec.Raw(_FIXSTR[size] + raw)
    head = b"\xd9%c" % size if size <= 0xFF else b"\xdb" + size.to_bytes(4, "big")
    return msgspec.Raw(head + raw)


def pack_new(job: NewJob, kind: int, age: int) -> msgspec.Raw:
    """A job to submit. Raises InvalidInput when it has what no record can hold."""
    if (
        len(job.id) != ID_BYTES
        or len(job.key) != KEY_BYTES
        or len(job.state) > MAX_STATE_BYTES
        or not 0 < job.done <= job.total <= MAX_TOTAL
        or not -128 <= job.priority < 128
    ):
        raise InvalidInput(
            f"Job {job.id.hex()} has a size or number that this store cannot hold "
            f"(at most {MAX_TOTAL:,} iterations). Nothing was stored."
        )
    head = _NEW.pack(job.id, kind, job.priority, job.total, job.done, age, job.key)
    return packed(head + job.state)


def pack_word(job_id: bytes, token: int, done: int, number: int, rest: bytes) -> msgspec.Raw:
    """A worker's word on one job. What cannot be is sent as something that is never true."""
    if len(job_id) != ID_BYTES:
        job_id = bytes(ID_BYTES)
    if not 0 <= token < MAX_TOTAL:
        token = MAX_TOTAL
    return packed(_WORD.pack(job_id, token, max(0, min(done, MAX_TOTAL + 1)), number) + rest)


def submitted(job: NewJob, answer: int | bytes) -> Submitted:
    """What became of a submit; a plain number says: queued, with this many iterations done."""
    if isinstance(answer, int):
        return Submitted(id=job.id, status=Status.QUEUED, done=answer)
    code, flags, high, low = _TOLD.unpack_from(answer)
    status = BY_CODE[code]
    return Submitted(
        id=job.id,
        status=status,
        done=high << 32 | low,
        created=bool(flags & _CREATED),
        conflict=bool(flags & _CONFLICT),
        state=answer[_TOLD.size :] if status in FINISHED else None,
    )


def verdicts(letters: bytes) -> list[Verdict]:
    """One verdict for each letter."""
    return [_VERDICTS[letter] for letter in letters]


def names_of(flat: Sequence[bytes]) -> Names:
    """The names that come with an answer: T<number> for tenants, W<number> for workloads."""
    names = Names({}, {})
    for mark, name in zip(flat[::2], flat[1::2], strict=True):
        kind, number = mark[:1], mark[1:]
        if kind in (b"T", b"W"):
            (names.tenants if kind == b"T" else names.workloads)[int(number)] = name.decode()
    return names


def lease_of(raw: bytes, names: Names) -> Lease:
    """A job that was just leased: its id, then its record."""
    mark, _, workload, _, *numbers, _ = _HEAD.unpack_from(raw, ID_BYTES)
    total_high, total_low, done_high, done_low, token_high, token_low = numbers
    at = ID_BYTES + _HEAD.size
    (size,) = struct.unpack_from(">H", raw, at)
    return Lease(
        id=raw[:ID_BYTES],
        token=token_high << 32 | token_low,
        workload=names.workloads[workload],
        total=total_high << 32 | total_low,
        done=done_high << 32 | done_low,
        state=raw[at + 2 : at + 2 + size],
        attempts=mark >> 4,
    )


def place_of(raw: bytes) -> QueuePlace | None:
    """Where a job's work is queued; None for nothing."""
    if not raw:
        return None
    rank, high, middle, low = _WAITS.unpack(raw)
    return QueuePlace(rank, (high << 8 | middle) << 32 | low)


def job_of(raw: bytes, names: Names, waits: bytes = b"") -> Job | None:
    """A job as its owner sees it: its age, its id, then its record; None for nothing."""
    if not raw:
        return None
    age, job_id, mark, tenant, workload, priority, *numbers, key = _SHOWN.unpack_from(raw)
    total_high, total_low, done_high, done_low, token_high, token_low = numbers
    status = BY_CODE[mark & 15]
    total, done = total_high << 32 | total_low, done_high << 32 | done_low
    state, ended_at_ms, text = raw[_STATE_AT:], None, None
    if status is not Status.QUEUED:
        state, ended_at_ms, text = _tail(raw)
    return Job(
        id=job_id,
        tenant=names.tenants[tenant],
        workload=names.workloads[workload],
        key=key,
        total=total,
        done=total if status in FINISHED else done,
        state=state,
        priority=priority,
        status=status,
        attempts=mark >> 4,
        token=token_high << 32 | token_low,
        submitted_at_ms=age // AGE_STEPS,
        ended_at_ms=ended_at_ms if status in ENDED else None,
        worker=text if status is Status.LEASED else None,
        reason=text if status is Status.FAILED else None,
        waits_at=place_of(waits),
    )


def _tail(raw: bytes) -> tuple[bytes, int, str]:
    """State, time of the end, and text of a record that has all of them."""
    tail_at = _STATE_AT + 2 + int.from_bytes(raw[_STATE_AT : _STATE_AT + 2], "big")
    high, low, _, _ = _TAIL.unpack_from(raw, tail_at)
    return raw[_STATE_AT + 2 : tail_at], high << 32 | low, raw[tail_at + _TAIL.size :].decode()


def copied_job(raw: bytes, names: Names) -> tuple[int, int, Job]:
    """A job of a backup, with the numbers of its tenant and workload. Raises ValueError, KeyError,
    TypeError or struct.error for a job that no store makes."""
    _, tenant, workload, *_ = _HEAD.unpack_from(raw, AGE_BYTES + ID_BYTES)
    job = job_of(raw, names)
    if job is None:
        raise ValueError("it is empty")
    return tenant, workload, job
