"""What work costs and how long it will take. Cost is counted in iterations still to do.

Theory. A fleet moves many jobs at once, one in each lane, and no job can use more than one lane.
Whoever waits begins as soon as a lane is free, in the order of the queue. While nobody's lane is
idle the fleet works at its whole rate, so a job begins at the latest when the work ahead of it is
done: `ahead / rate`. It begins earlier by what the last jobs ahead still need at that time, which
is at most (lanes - 1) times the longest of them (R. L. Graham, "Bounds on multiprocessing timing
anomalies", 1969). Then its own lane takes `own * lanes / rate`. With fewer jobs ahead than there
are lanes it begins at once. So a prediction is never early on a fleet that keeps its rate, and
late by no more than the longest job ahead takes in its lane.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Final, NamedTuple

from workmill.domain.queue_profile import QueuePlace, QueueProfile, QueueSegment

MIN_RATE_HZ: Final = 1e-3
"""A fleet that is slower has no rate: what would be predicted by it is no figure."""


class Ahead(NamedTuple):
    """What is leased before a job's turn comes."""

    jobs: float
    work: float


class Fleet(NamedTuple):
    """What moves the jobs: the measured iterations per second of all lanes together."""

    rate_hz: float
    lanes: int


class Forecast:
    """Predicted seconds until jobs are done, by one outline of the queue and one of the fleet.

    None comes back while no rate is known: no figure is better than a made-up one.
    """

    def __init__(self, profile: QueueProfile, fleet: Fleet) -> None:
        self._rate_hz, self._lanes = fleet.rate_hz, max(fleet.lanes, 1)
        self._leased = Ahead(profile.leased_jobs, profile.leased_work)
        ranks = sorted({one.rank for one in profile.segments})
        self._ranks = ranks
        self._curves = [
            _Curve([one for one in profile.segments if one.rank == rank]) for rank in ranks
        ]
        sums = accumulate((curve.whole for curve in self._curves), _plus, initial=self._leased)
        self._before = list(sums)
        """What is ahead of the first job of each rank, and at last of all ranks."""

    def ahead(self, place: QueuePlace) -> Ahead:
        """What is leased already, and what is queued before this place."""
        at = bisect_right(self._ranks, place.rank) - 1
        if at < 0 or self._ranks[at] != place.rank:
            return self._before[at + 1]
        return _plus(self._before[at], self._curves[at].before(place.age))

    def of_queued(self, place: QueuePlace, own_work: int) -> float | None:
        """Seconds until the job at this place is done."""
        return self._seconds(self.ahead(place), own_work)

    def of_new(self, priority: int, own_work: int) -> float | None:
        """Seconds until a job that joins the queue now is done: behind all of its priority."""
        return self._seconds(self._before[bisect_right(self._ranks, -priority)], own_work)

    def of_leased(self, own_work: int) -> float | None:
        """Seconds until a leased job is done. Where workers hold more jobs than they have lanes,
        nobody says which of them are in a lane: it takes its share of the whole rate, and no longer
        than when all others go first."""
        if self._rate_hz < MIN_RATE_HZ:
            return None
        shared = own_work * max(self._leased.jobs, self._lanes)
        last = max(0.0, self._leased.work - own_work) + own_work * self._lanes
        return min(shared, last) / self._rate_hz

    def _seconds(self, ahead: Ahead, own_work: int) -> float | None:
        if self._rate_hz < MIN_RATE_HZ:
            return None
        waits = ahead.work if ahead.jobs >= self._lanes else 0.0
        return (waits + own_work * self._lanes) / self._rate_hz


def seconds_of(work: int, rate_hz: float) -> float | None:
    """How long all of this takes the fleet; None while no rate is known."""
    return work / rate_hz if rate_hz >= MIN_RATE_HZ else None


class _Curve:
    """Jobs and work of one rank before an age: sums at every age where a segment begins or ends,
    and straight lines between them."""

    def __init__(self, segments: Sequence[QueueSegment]) -> None:
        self.whole = Ahead(sum(one.jobs for one in segments), sum(one.work for one in segments))
        steps: dict[int, tuple[float, float, int]] = {}
        for one in segments:
            ages = one.last + 1 - one.first
            _turn(steps, one.first, one.jobs / ages, one.work / ages, 1)
            _turn(steps, one.last + 1, -one.jobs / ages, -one.work / ages, -1)
        self._ages = sorted(steps)
        self._sums = list(_sums(self._ages, steps))

    def before(self, age: int) -> Ahead:
        at = bisect_right(self._ages, age) - 1
        if at < 0:
            return Ahead(0.0, 0.0)
        if at == len(self._ages) - 1:
            return self.whole
        (jobs, work), (next_jobs, next_work) = self._sums[at], self._sums[at + 1]
        share = (age - self._ages[at]) / (self._ages[at + 1] - self._ages[at])
        return Ahead(jobs + share * (next_jobs - jobs), work + share * (next_work - work))


def _turn(
    steps: dict[int, tuple[float, float, int]], age: int, jobs: float, work: float, open_: int
) -> None:
    of_jobs, of_work, count = steps.get(age, (0.0, 0.0, 0))
    steps[age] = (of_jobs + jobs, of_work + work, count + open_)


def _sums(ages: Sequence[int], steps: dict[int, tuple[float, float, int]]) -> Iterable[Ahead]:
    """What lies before each of these ages. Where no segment is open nothing grows, whatever the
    rounding of the slopes has left."""
    jobs = work = of_jobs = of_work = 0.0
    open_, reached = 0, ages[0]
    for age in ages:
        if open_:
            jobs += max(0.0, of_jobs) * (age - reached)
            work += max(0.0, of_work) * (age - reached)
        yield Ahead(jobs, work)
        more_jobs, more_work, more = steps[age]
        open_, reached = open_ + more, age
        of_jobs, of_work = (of_jobs + more_jobs, of_work + more_work) if open_ else (0.0, 0.0)


def _plus(one: Ahead, other: Ahead) -> Ahead:
    return Ahead(one.jobs + other.jobs, one.work + other.work)
