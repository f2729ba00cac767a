"""How much of which job the next slice holds. Pure.

Theory. A workload moves `lanes` chains at once. It takes the chains in the order given, each
into the lane that is free first, so the length of a slice is that of its longest lane: greedy
list scheduling (R. L. Graham, "Bounds on multiprocessing timing anomalies", 1969). A worker
knows every job's remaining count and may cut a job anywhere, because a state is a checkpoint.
So it plays the same schedule ahead with a budget for each lane, and cuts the job that would go
over: all lanes then end together and none idles, which no schedule of whole jobs can promise.
A job that was cut goes on in a later slice. Ten thousand short jobs and eight endless ones are
the same case.

How many iterations a lane does in a second is measured on every slice. Below about the length
that was aimed for, what a slice costs besides computing weighs on that figure and only ever
lowers it, so a short slice may raise the estimate but not lower it.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from workmill.domain.limits import MAX_LEASE_JOBS

MAX_SLICE_JOBS: Final = MAX_LEASE_JOBS
"""Bounds a frame, and how many jobs one crash can bring under suspicion."""

_WEIGHT: Final = 0.5


@dataclass(frozen=True, slots=True)
class Plan:
    """`counts` for the first so many jobs; `longest` is the iterations of the longest lane.

    `full` says that no lane has room left: the plan is as good as it can get, and waiting for
    more jobs would not better it.
    """

    counts: list[int]
    longest: int
    full: bool


def plan_slice(remaining: Iterable[int], lanes: int, budget: int) -> Plan:
    """Give each job in turn to the least loaded lane, up to `budget` iterations a lane.

    `remaining` and `budget` are positive; a lane is one of `lanes` chains moved at once.
    """
    loads = [0] * lanes
    counts: list[int] = []
    for left in remaining:
        room = budget - loads[0]
        if room <= 0 or len(counts) == MAX_SLICE_JOBS:
            return Plan(counts, max(loads), full=True)
        counts.append(min(left, room))
        heapq.heapreplace(loads, loads[0] + counts[-1])
    return Plan(counts, max(loads), full=loads[0] >= budget)


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast one lane is: iterations per second. One, until something is known."""

    lane_hz: float = 1.0

    def budget(self, seconds: float) -> int:
        """The iterations that a lane does in so many seconds; at least one."""
        return max(1, int(self.lane_hz * seconds))

    def measured(self, longest: int, elapsed_seconds: float, aim_seconds: float) -> Pace:
        """The pace after a slice whose longest lane did `longest` iterations."""
        seen = longest / max(elapsed_seconds, 1e-6)
        if seen < self.lane_hz and elapsed_seconds < aim_seconds / 2:
            return self
        return Pace(self.lane_hz + _WEIGHT * (seen - self.lane_hz))
