"""What `queue_profile` of the Lua functions answers, as an outline of the queue."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from typing import Any, Final

from workmill.domain.queue_profile import QueueProfile, QueueSegment, balanced, run_segments

HEAD_JOBS: Final = 200
"""The first jobs of the queue, whose places are exact."""
RUNS: Final = 16
"""Looks at what lies behind them, shared by the lists; a list gets at least MIN_RUNS."""
MIN_RUNS: Final = 2
RUN_JOBS: Final = 8
ASKED: Final = (HEAD_JOBS, RUNS, MIN_RUNS, RUN_JOBS)
_SEEN: Final = struct.Struct(">HBIHI")
"""A job's age (7 bytes) and its work (6 bytes), in parts."""

Run = list[tuple[int, int]]
"""Age and work of neighbours in a list."""


def profile_of(answer: Sequence[Any]) -> QueueProfile:
    """The outline of one store's queue."""
    queued, backlog, (leased_jobs, seen, work), lanes = answer
    leased_work = work * leased_jobs // seen if seen else 0
    segments = [segment for lane in lanes for segment in _segments(*lane)]
    return QueueProfile(
        segments=balanced(segments, int(queued), max(0, int(backlog) - leased_work)),
        leased_jobs=leased_jobs,
        leased_work=leased_work,
    )


def _segments(rank: int, head: bytes, runs: Sequence[Any], end: bytes) -> Iterator[QueueSegment]:
    """One list: its head as it is, and between two looks what the first of them saw."""
    yield from run_segments(rank, _run(head))
    pieces = [(upto - at, looked, run) for at, upto, looked, raw in runs if (run := _run(raw))]
    starts = [run[0][0] for _, _, run in pieces]
    final = _run(end) or (pieces[-1][2][-1:] if pieces else [])
    ends = [*starts[1:], *(age + 1 for age, _ in final)]
    for (entries, looked, run), upto in zip(pieces, ends, strict=False):
        if entries == looked:
            yield from run_segments(rank, run)
        else:
            jobs = entries * len(run) / looked
            work = jobs * sum(cost for _, cost in run) / len(run)
            yield QueueSegment(rank, run[0][0], max(upto - 1, run[0][0] + 1), jobs, work)


def _run(raw: bytes) -> Run:
    return [
        ((a << 8 | b) << 32 | c, high << 32 | low) for a, b, c, high, low in _SEEN.iter_unpack(raw)
    ]
