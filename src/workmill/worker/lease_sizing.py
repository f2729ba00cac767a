"""How much work to lease. Pure.

Theory. Too little in hand and the lanes run dry while an answer is under way; too much and
this worker sits on work that another one could be doing. Both are a matter of seconds, not of
jobs. A job fills one lane for as long as it has work left, and no other: so within a horizon of
H seconds a job is worth `min(its seconds, H)` of one lane, and the worker is supplied while
these add up to H for every lane. That one rule covers thousands of jobs of ten iterations (their
seconds add up), eight endless ones (each fills its lane, more would only wait) and the last
stretch of a long one (its lane is about to run dry).

In a stream of jobs so small that they are done before the next ones arrive, whoever asks again
at once gets a handful each time, and a lot costs both sides as much as dozens of such jobs. So
after a lot that shows a stream a worker rests, and lets some gather.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Final, NamedTuple

from workmill.domain.limits import MAX_COUNT, MAX_LEASE_JOBS

LOW_SECONDS: Final = 0.3
"""Lease when less than this lies ready, beyond the slices that are with the child."""
FULL_SECONDS: Final = 0.8
"""Lease up to this much."""
MAX_HELD_JOBS: Final = 4 * MAX_LEASE_JOBS
"""Jobs in hand and results that no endpoint has taken yet, together."""
STREAM_JOBS: Final = range(8, MAX_LEASE_JOBS)
"""A lot of so many jobs is part of a stream. Of fewer, each may be the only one for a while, and
the next must not wait; a lot of the most that can be asked for leaves more behind."""
REST_SECONDS: Final = 0.05
"""The longest that a job of a stream waits for others; far below LOW_SECONDS, so that no lane
runs dry for it when the jobs are long."""


class Ready(NamedTuple):
    """What one job in hand is worth: seconds that its lane still needs, lanes it shares with."""

    seconds: float
    lanes: int


class Order(NamedTuple):
    """What to ask for: `domain.job.LeaseRequest` in short."""

    min_jobs: int
    max_jobs: int
    max_cost: int


def next_order(ready: Iterable[Ready], held_jobs: int, lanes: int, rate_hz: float) -> Order | None:
    """What to lease now, or None while there is enough.

    `ready` are the jobs in hand less what is planned of them, `held_jobs` counts against
    MAX_HELD_JOBS, `rate_hz` is iterations per second of all `lanes` together.
    """
    jobs = list(ready)
    room = min(MAX_LEASE_JOBS, MAX_HELD_JOBS - held_jobs)
    if room <= 0 or _supplied_seconds(jobs, LOW_SECONDS) >= LOW_SECONDS:
        return None
    missing_seconds = FULL_SECONDS - _supplied_seconds(jobs, FULL_SECONDS)
    dry_lanes = math.ceil(lanes * missing_seconds / FULL_SECONDS)
    cost = min(MAX_COUNT, max(1, round(missing_seconds * rate_hz)))
    return Order(min(dry_lanes, room), room, cost)


def rest_seconds(lot_jobs: int) -> float:
    """How long to let work gather after a lot of so many jobs; nothing after a lone one."""
    return REST_SECONDS if lot_jobs in STREAM_JOBS else 0.0


def _supplied_seconds(jobs: list[Ready], horizon_seconds: float) -> float:
    """For how much of the horizon all lanes are supplied; floats forgive a billionth."""
    return sum(min(job.seconds, horizon_seconds) / job.lanes for job in jobs) + 1e-9
