"""The queue in outline: how much work lies before any place in it, at a bounded size.

Theory. Jobs are leased in the order of their places: rank (the priority negated), then age. To
predict when a job begins, one needs the work ahead of its place. A sum for each of ten million jobs
cannot be kept or read, so a store outlines its queue by segments. The first jobs of the queue are
one segment each, and exact. Of what lies behind them a store looks at a few runs of neighbours,
evenly spaced, and takes what lies between two of them to be like the first. Then all that was
estimated is scaled, so that the sums of the outline are the store's own counters.

Segments may overlap, as where a queue is made of several lists or lies in several parts of a
store: what is ahead is the sum over all of them. So outlines are put together by joining them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import msgspec


class QueuePlace(NamedTuple):
    """Where a job stands in the order of leases: the lower place is leased first."""

    rank: int
    """The priority negated."""
    age: int
    """Rises with each job that a store takes in. It says nothing to anybody else."""


class QueueSegment(NamedTuple):
    """Queued jobs of one rank whose ages lie from `first` to `last`, as if evenly spread."""

    rank: int
    first: int
    last: int
    jobs: float
    work: float
    """In iterations still to do."""


class QueueProfile(msgspec.Struct, frozen=True, kw_only=True):
    """The queue in outline, and the work that is leased and so ahead of everything."""

    segments: tuple[QueueSegment, ...] = ()
    leased_jobs: int = 0
    leased_work: int = 0


def run_segments(rank: int, run: Sequence[tuple[int, int]]) -> list[QueueSegment]:
    """One exact segment for each (age, work) of a run."""
    return [QueueSegment(rank, age, age, 1, work) for age, work in run]


def balanced(segments: Iterable[QueueSegment], jobs: int, work: int) -> tuple[QueueSegment, ...]:
    """The segments with what is estimated in them scaled to the queue's own sums."""
    exact = [one for one in segments if one.first == one.last]
    rough = [one for one in segments if one.first != one.last]
    if not rough:
        return tuple(exact)
    of_jobs = _factor(jobs, (one.jobs for one in exact), (one.jobs for one in rough))
    of_work = _factor(work, (one.work for one in exact), (one.work for one in rough))
    scaled = (one._replace(jobs=one.jobs * of_jobs, work=one.work * of_work) for one in rough)
    return (*exact, *scaled)


def joined(profiles: Iterable[QueueProfile]) -> QueueProfile:
    """The outline of all these queues as one."""
    every = list(profiles)
    return QueueProfile(
        segments=tuple(segment for one in every for segment in one.segments),
        leased_jobs=sum(one.leased_jobs for one in every),
        leased_work=sum(one.leased_work for one in every),
    )


def _factor(whole: int, exact: Iterable[float], rough: Iterable[float]) -> float:
    estimated = sum(rough)
    return max(0.0, whole - sum(exact)) / estimated if estimated > 0 else 0.0
