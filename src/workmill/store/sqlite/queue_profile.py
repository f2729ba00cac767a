"""The verb `queue_profile`: the queue in outline (`domain.queue_profile`), at a bounded cost.

Each (workload, rank) is a lane of its own in the index `jobs_queue`. The first lanes are read from
their heads until HEAD_JOBS are found; what lies behind is looked at in short runs that begin at
evenly spaced numbers. How far a run reaches says how dense the lane is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Final

import msgspec

from workmill.domain.lifecycle import Status
from workmill.domain.queue_profile import QueueProfile, QueueSegment, balanced, run_segments
from workmill.store.sqlite.bulk_sql import Reader, Row, integers
from workmill.store.sqlite.schema import sql
from workmill.store.sqlite.session import Session

HEAD_JOBS: Final = 1000
"""The first jobs of the queue, whose places are exact."""
RUNS: Final = 64
"""Looks at what lies behind them, shared by the lanes; a lane gets at least MIN_RUNS."""
MIN_RUNS: Final = 2
RUN_JOBS: Final = 8
LEASED_JOBS: Final = 2000
"""Of more leased jobs the work is estimated from so many."""

Run = list[tuple[int, int]]
"""The number and the work of neighbours in a lane."""


class _Lane(Row, array_like=True, gc=False):
    """The queued jobs of one workload and rank, by their numbers."""

    workload: int
    rank: int
    first: int
    last: int


_LANES = Reader(
    _Lane,
    """
    WITH RECURSIVE workloads(workload) AS (
        SELECT min(workload) FROM jobs WHERE status = $queued
        UNION ALL
        SELECT (SELECT min(j.workload) FROM jobs j
            WHERE j.status = $queued AND j.workload > workloads.workload)
        FROM workloads WHERE workloads.workload IS NOT NULL),
    lanes(workload, rank) AS (
        SELECT workload, (SELECT min(j.rank) FROM jobs j
            WHERE j.status = $queued AND j.workload = workloads.workload) FROM workloads
        UNION ALL
        SELECT workload, (SELECT min(j.rank) FROM jobs j
            WHERE j.status = $queued AND j.workload = lanes.workload AND j.rank > lanes.rank)
        FROM lanes WHERE lanes.rank IS NOT NULL)
    SELECT json_group_array(json_array(workload, rank,
        (SELECT j.seq FROM jobs j WHERE j.status = $queued AND j.workload = lanes.workload
            AND j.rank = lanes.rank ORDER BY j.seq LIMIT 1),
        (SELECT j.seq FROM jobs j WHERE j.status = $queued AND j.workload = lanes.workload
            AND j.rank = lanes.rank ORDER BY j.seq DESC LIMIT 1)) ORDER BY rank, workload)
    FROM lanes WHERE rank IS NOT NULL
    """,
)
_RUNS = sql("""
    SELECT json_group_array(json((
        SELECT json_group_array(json_array(seq, work)) FROM (
            SELECT seq, total - done AS work FROM jobs
            WHERE status = $queued AND workload = ?1 AND rank = ?2 AND seq >= start.value
            ORDER BY seq LIMIT ?3))))
    FROM carray(?4) start
""")
_LEASED = sql("""
    SELECT json_array(count(*), ifnull(sum(work), 0)) FROM (
        SELECT total - done AS work FROM jobs
        WHERE status > $attached AND status = $leased LIMIT ?)
""")


def queue_profile(session: Session) -> QueueProfile:
    """See `Store.queue_profile`."""
    leased_jobs, leased_work = _leased(session)
    segments = list(_outline(session))
    queued_work = max(0, session.books.backlog_iterations - leased_work)
    return QueueProfile(
        segments=balanced(segments, session.books.jobs[Status.QUEUED], queued_work),
        leased_jobs=leased_jobs,
        leased_work=leased_work,
    )


def _leased(session: Session) -> tuple[int, int]:
    """How many jobs are leased and what they still cost."""
    text = session.connection.execute(_LEASED, (LEASED_JOBS,)).get
    seen, work = msgspec.json.decode(text, type=tuple[int, int])
    jobs = session.books.jobs[Status.LEASED]
    return jobs, work * jobs // seen if seen else 0


def _outline(session: Session) -> Iterator[QueueSegment]:
    lanes = _LANES(session.connection)
    room = HEAD_JOBS
    for place, lane in enumerate(lanes):
        head: Run = []
        if room > 0:
            (head,) = _runs(session, lane, [lane.first], room)
            yield from run_segments(lane.rank, head)
            room -= len(head)
        behind = head[-1][0] + 1 if head else lane.first
        if behind <= lane.last:
            yield from _behind(session, lane, behind, max(MIN_RUNS, RUNS // (len(lanes) - place)))


def _behind(session: Session, lane: _Lane, first: int, runs: int) -> Iterator[QueueSegment]:
    """What lies in a lane from this number on, cut into as many pieces as there are looks."""
    numbers = lane.last + 1 - first
    edges = sorted({first + numbers * piece // runs for piece in range(runs + 1)})
    found = _runs(session, lane, edges[:-1], RUN_JOBS)
    for (start, end), run in zip(pairwise(edges), found, strict=True):
        here = [one for one in run if one[0] < end]
        if len(here) < RUN_JOBS or here[-1][0] == end - 1:
            yield from run_segments(lane.rank, here)
        else:
            jobs = (end - start) * len(here) / (here[-1][0] + 1 - start)
            work = jobs * sum(cost for _, cost in here) / len(here)
            yield QueueSegment(lane.rank, start, end - 1, jobs, work)


def _runs(session: Session, lane: _Lane, starts: Sequence[int], jobs: int) -> list[Run]:
    """So many neighbours from each of these numbers on."""
    given = (lane.workload, lane.rank, jobs, integers(starts))
    text = session.connection.execute(_RUNS, given).get
    return msgspec.json.decode(text, type=list[Run])
