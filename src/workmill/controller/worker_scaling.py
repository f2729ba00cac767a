"""How many workers there should be: a pure policy that says why.

Theory. What a caller feels is how long a job waits before a worker takes it up. Queue length says
little about that, for jobs differ by any factor; the store knows what each still costs, workers
measure how fast they are, and the quotient is seconds. Everything here is counted in lanes, for a
job uses one lane of a worker and no other:

- *steady*: lanes kept busy by the load as it is. What came in is the growth of (backlog + done), so
  two readings of the counters give its rate. It cannot keep more lanes busy than there are jobs,
  and what runs longer than the target keeps its lane, however little arrives.
- *clearing*: lanes beyond the arriving load that take up in time what will be waiting when a worker
  ordered now is ready. A job may wait for the target from its arrival, and the start takes its part
  of that. A backlog that those who are there clear within a part of the target is left to them.

It grows at once: a wait is never made good, and whoever is starting is counted in. It shrinks
only to the most that any moment of the cool-down would have kept, with lanes free for chance: in
a random stream the busy lanes vary by the square root of their mean, so that is the unit of the
room. It never shrinks while the backlog exceeds the target, nor before it has watched for a whole
cool-down. To shrink means to drain: a drained worker hands back its work with its checkpoint.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, sqrt
from typing import Final, NamedTuple

from workmill.controller.scale_down import Decision, Kept, remembered, shrunk
from workmill.domain.limits import COOL_DOWN_SECONDS, TARGET_WAIT_SECONDS

START_SECONDS: Final = 5.0
"""From the order of a worker until it computes: a process or container on a machine that runs."""
FAST_SECONDS: Final = 10.0
"""Over which jobs that arrive are counted while others wait: a crowd shows in it."""
SLOW_SECONDS: Final = 120.0
"""Over which the work that arrives is measured: a few large jobs among many small ones even out."""
KEEP_ROOM: Final = 1.0
"""Lanes that shrinking leaves free, in square roots of the busy ones."""
CLEARING_SHARE: Final = 1 / 3
"""Of the target: the least time to clear a backlog in, where starting takes up the rest. Less would
buy workers that have nothing to do a moment later."""
PATIENCE_SHARE: Final = 1 / 3
"""Of the target: a backlog that is cleared within it by those who are there calls for nobody."""
MAX_HISTORY: Final = 600
"""The most readings remembered; at one in two seconds, twenty minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a person can set."""

    min_workers: int = 1
    max_workers: int
    target_wait_seconds: float = TARGET_WAIT_SECONDS
    start_seconds: float = START_SECONDS
    cool_down_seconds: float = COOL_DOWN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """One reading of the service and its workers. `at_seconds` is on the reader's own clock."""

    at_seconds: float
    queued: int
    leased: int
    backlog_iterations: float
    iterations_done_total: float
    submitted_total: int
    oldest_wait_seconds: float = 0.0
    ready: int
    """Live workers that are not draining."""
    rated: int
    """Those of them that have measured how fast they are."""
    rate_hz: float
    """Iterations per second of the rated ones together."""
    lanes: int
    """Jobs that all the ready ones move on at once."""
    starting: int = 0
    """Ordered, not yet seen alive."""
    starting_age_seconds: float = 0.0
    """How long ago these were ordered, added up, each counted no longer than a start takes."""

    @property
    def count(self) -> int:
        return self.ready + self.starting


class Past(NamedTuple):
    """A reading and the workers that its load would have kept."""

    seen: Seen
    keep: int


def remember(history: Sequence[Past], seen: Seen, decision: Decision, limits: Limits) -> list[Past]:
    """The history with one reading more, without what is too old to matter."""
    oldest = seen.at_seconds - max(limits.cool_down_seconds, SLOW_SECONDS)
    now = Past(seen, decision.keep)
    return remembered(history, now, oldest, lambda past: past.seen.at_seconds)[-MAX_HISTORY:]


def desired(seen: Seen, limits: Limits, history: Sequence[Past]) -> Decision:
    """How many workers there should be now. `history` is what `remember` has kept."""
    pace = _pace(seen, history)
    if pace is None:
        return _without_pace(seen, limits)
    load = _load(seen, limits, history, pace)
    grow, keep = _bounded(load.grow, limits), _bounded(load.keep, limits)
    count = seen.count
    if not limits.min_workers <= count <= limits.max_workers:
        within = max(_bounded(count, limits), grow)
        return _decide(
            within, keep, f"{limits.min_workers} to {limits.max_workers} are allowed", load
        )
    if grow > count:
        return _decide(grow, keep, load.why_grow, load)
    if load.wait_seconds > limits.target_wait_seconds:
        return _decide(count, keep, _why_not_more(load, limits), load)
    return _shrink(seen, limits, history, load, keep)


class _Pace(NamedTuple):
    """One worker: iterations per second of each lane, and its lanes."""

    lane_hz: float
    lanes: float


@dataclass(frozen=True, slots=True, kw_only=True)
class _Load:
    grow: int
    """The workers that growth asks for."""
    keep: int
    """The fewest that shrinking would leave."""
    wait_seconds: float
    """Until what waits now is taken up by who is ready now."""
    why_grow: str
    words: str


def _bounded(count: int, limits: Limits) -> int:
    return max(limits.min_workers, min(count, limits.max_workers))


def _decide(count: int, keep: int, why: str, load: _Load) -> Decision:
    return Decision(count=count, keep=keep, reason=f"{why}; {load.words}")


def _pace(seen: Seen, history: Sequence[Past]) -> _Pace | None:
    """From this reading, else from the latest one in which any worker had measured itself."""
    for one in (seen, *(past.seen for past in reversed(history))):
        if one.rated > 0 and one.rate_hz > 0 and one.ready > 0:
            lanes = max(1.0, one.lanes / one.ready)
            return _Pace(one.rate_hz / one.rated / lanes, lanes)
    return None


def _without_pace(seen: Seen, limits: Limits) -> Decision:
    """Nobody has computed anything yet: one worker must, before more can be said."""
    jobs = seen.queued + seen.leased
    count = _bounded(max(seen.count, 1 if jobs else 0), limits)
    words = f"{jobs:,} jobs are there" if jobs else "there is no job"
    return Decision(count=count, keep=count, reason=f"no worker has measured its rate yet; {words}")


def _load(seen: Seen, limits: Limits, history: Sequence[Past], pace: _Pace) -> _Load:
    """All in lanes, until the end. `staying` is the load that shrinking must carry: it believes a
    rise at once, and a fall only when it has lasted."""
    work = [(one.at_seconds, _came(one)) for one in _readings(seen, history)]
    jobs = [(one.at_seconds, float(one.submitted_total)) for one in _readings(seen, history)]
    there = seen.queued + seen.leased
    target = limits.target_wait_seconds
    slow = _rate(work, SLOW_SECONDS) / pace.lane_hz
    backlog = max(0.0, seen.backlog_iterations) / pace.lane_hz
    waiting = backlog * seen.queued / max(1, there)
    running = min(seen.leased, backlog / target)
    job_rate, slow_job_rate = _rate(jobs, FAST_SECONDS), _rate(jobs, SLOW_SECONDS)
    arriving = slow * job_rate / slow_job_rate if slow_job_rate else slow
    steady = max(min(slow, there), running)
    staying = max(min(max(slow, arriving), there), running)
    there_then = there + job_rate * limits.start_seconds
    clearing = _clearing(seen, limits, pace, waiting, arriving)
    grow = max(steady, min(arriving + clearing, there_then)) if clearing else steady
    keep = max(staying + KEEP_ROOM * sqrt(staying), min(staying + waiting / target, there))
    wait_seconds = backlog / max(seen.ready * pace.lanes, 1) if seen.queued else 0.0
    words = (
        f"{seen.queued:,} jobs wait, {wait_seconds:.0f} s of work for {seen.ready} workers; "
        f"what arrives keeps {slow / pace.lanes:.1f} busy, what runs {running / pace.lanes:.1f}"
    )
    return _Load(
        grow=ceil(grow / pace.lanes),
        keep=ceil(max(keep, grow if seen.queued else 0.0) / pace.lanes),
        wait_seconds=wait_seconds,
        why_grow=_why_grow(clearing, limits),
        words=words,
    )


def _clearing(seen: Seen, limits: Limits, pace: _Pace, waiting: float, arriving: float) -> float:
    """Lanes beyond the arriving load that take up in time what will be waiting by then. `waiting`
    is in seconds of one lane."""
    if not seen.queued:
        return 0.0
    start, target = limits.start_seconds, limits.target_wait_seconds
    worked = seen.ready * start + min(seen.starting_age_seconds, seen.starting * start)
    then = max(0.0, waiting + arriving * start - worked * pace.lanes)
    if then <= seen.count * pace.lanes * target * PATIENCE_SHARE:
        return 0.0
    return then / max(target - start, target * CLEARING_SHARE)


def _readings(seen: Seen, history: Sequence[Past]) -> list[Seen]:
    return [*(past.seen for past in history), seen]


def _came(seen: Seen) -> float:
    """Iterations that ever came in, but for a constant: what is there and what is done."""
    return seen.backlog_iterations + seen.iterations_done_total


def _rate(points: Sequence[tuple[float, float]], window_seconds: float) -> float:
    """Growth per second over the window that ends at the latest point."""
    inside = [point for point in points if point[0] >= points[-1][0] - window_seconds]
    if len(inside) < 2 or inside[-1][0] <= inside[0][0]:
        return 0.0
    return max(0.0, (inside[-1][1] - inside[0][1]) / (inside[-1][0] - inside[0][0]))


def _why_grow(clearing: float, limits: Limits) -> str:
    if clearing:
        return (
            f"what waits would wait longer than {limits.target_wait_seconds:g} s, "
            f"and a worker takes {limits.start_seconds:.2g} s to start"
        )
    return "the load keeps more lanes busy than there are"


def _why_not_more(load: _Load, limits: Limits) -> str:
    if load.grow > limits.max_workers:
        return f"more would help, but {limits.max_workers} are the most allowed"
    return "nothing is taken away while the backlog exceeds the target, and more would not help"


def _shrink(
    seen: Seen, limits: Limits, history: Sequence[Past], load: _Load, keep: int
) -> Decision:
    past = [Kept(one.seen.at_seconds, one.keep) for one in history]
    now = Kept(seen.at_seconds, keep)
    count, why = shrunk(seen.count, now, past, limits.cool_down_seconds)
    return _decide(count, keep, why, load)
