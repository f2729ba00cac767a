"""The scaling policy: what it may never do, and what it says to plain cases."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, sqrt

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from workmill.controller.scale_down import Decision
from workmill.controller.worker_scaling import (
    MAX_HISTORY,
    SLOW_SECONDS,
    Limits,
    Past,
    Seen,
    desired,
    remember,
)
from workmill.domain.limits import COOL_DOWN_SECONDS, TARGET_WAIT_SECONDS

LANES, LANE_HZ, TICK_SECONDS = 8, 5e6, 2.0
ARRIVING = 4000 / SLOW_SECONDS
"""Lanes that a burst of 4,000 seconds would keep busy if it were spread over the time watched."""
LIMITS = Limits(min_workers=1, max_workers=100)


def seen(
    at: float = 0.0,
    *,
    workers: int = 1,
    queued: int = 0,
    leased: int = 0,
    backlog_seconds: float = 0.0,
    done_seconds: float = 0.0,
    submitted: int = 0,
    starting: int = 0,
) -> Seen:
    """A reading; work is in seconds of one lane."""
    return Seen(
        at_seconds=at,
        queued=queued,
        leased=leased,
        backlog_iterations=backlog_seconds * LANE_HZ,
        iterations_done_total=done_seconds * LANE_HZ,
        submitted_total=submitted,
        ready=workers,
        rated=workers,
        rate_hz=workers * LANES * LANE_HZ,
        lanes=workers * LANES,
        starting=starting,
    )


def quiet(keep: int, *, workers: int, until: float = 0.0) -> list[Past]:
    """A whole cool-down in which the load would have kept so many."""
    steps = int(SLOW_SECONDS / TICK_SECONDS)
    times = [until - TICK_SECONDS * step for step in range(steps + 1, 0, -1)]
    return [Past(seen(at, workers=workers), keep) for at in times]


CASES = {
    "no job, the least number": (seen(workers=1), [], 1, "fit the load"),
    "too few": (seen(workers=0), quiet(1, workers=1), 1, "1 to 100 are allowed"),
    "too many": (seen(workers=120), [], 100, "1 to 100 are allowed"),
    "idle, but not watched for long": (seen(workers=9), [], 9, "not watched"),
    "idle for a whole cool-down": (seen(workers=9), quiet(1, workers=9), 1, "the others drain"),
    "wanted a moment ago": (seen(workers=9), quiet(9, workers=9), 9, "all of them were wanted"),
    "less was wanted": (seen(workers=9), quiet(6, workers=9), 6, "no more than 6"),
    "every lane runs a long job": (
        seen(workers=2, leased=16, backlog_seconds=16 * 600.0),
        quiet(1, workers=2),
        2,
        "fit the load",
    ),
    "one long job waits": (
        seen(workers=1, queued=1, leased=8, backlog_seconds=9 * 600.0),
        quiet(1, workers=1),
        2,
        "5 s to start",
    ),
    "a backlog of little jobs that is soon cleared": (
        seen(workers=10, queued=300, leased=80, backlog_seconds=300.0),
        quiet(10, workers=10),
        10,
        "all of them were wanted",
    ),
    "a burst": (
        seen(workers=1, queued=4000, backlog_seconds=4000.0),
        quiet(1, workers=1),
        ceil((ARRIVING + (4000 + 5 * ARRIVING - 5 * LANES) / 10) / LANES),
        "would wait longer than 15 s",
    ),
    "a burst, and the workers for it are starting": (
        seen(workers=1, queued=4000, backlog_seconds=4000.0, starting=60),
        quiet(1, workers=1),
        61,
        "nothing is taken away",
    ),
    "a burst beyond what is allowed": (
        seen(workers=100, queued=10**6, backlog_seconds=1e6),
        quiet(1, workers=100),
        100,
        "100 are the most allowed",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_plain_cases(case: str) -> None:
    """What a person would say to the same reading."""
    reading, history, count, words = CASES[case]
    decision = desired(reading, LIMITS, history)
    assert (decision.count, words in decision.reason) == (count, True), decision.reason


def test_the_first_worker_comes_without_any_rate() -> None:
    """With nobody there to measure, one worker is ordered for the first job, and none before."""
    limits = Limits(min_workers=0, max_workers=9)
    nobody = replace(seen(workers=0), rated=0)
    assert desired(nobody, limits, []).count == 0
    first = desired(replace(nobody, queued=500), limits, [])
    assert (first.count, "rate" in first.reason) == (1, True)
    assert desired(replace(nobody, queued=500, starting=1), limits, []).count == 1


def test_a_rate_is_remembered() -> None:
    """When all workers are gone, how fast they were is still known."""
    waiting = replace(seen(workers=0, queued=4000, backlog_seconds=4000.0), rated=0, rate_hz=0.0)
    assert desired(waiting, LIMITS, []).count == 1
    assert desired(waiting, LIMITS, quiet(1, workers=1)).count > 10


def test_a_slow_start_is_planned_for() -> None:
    """The longer a worker takes to start, the more is waiting by then, and the more are ordered."""
    history = [
        Past(seen(at, queued=20, leased=8, backlog_seconds=28, submitted=int(at * 40)), 1)
        for at in (0.0, 2.0, 4.0, 6.0, 8.0)
    ]
    now = seen(10.0, queued=200, leased=8, backlog_seconds=400.0, submitted=600)
    counts = [
        desired(now, replace(LIMITS, start_seconds=start), history).count for start in (1, 5, 30)
    ]
    assert counts == sorted(set(counts))


def test_long_jobs_keep_their_lanes_though_nothing_arrives() -> None:
    """Whoever drained their workers would only have to start them anew."""
    work = 72 * 600.0

    def busy(at: float) -> Seen:
        done = 72 * (at + 200)
        return seen(at, workers=12, leased=72, backlog_seconds=work - done, done_seconds=done)

    history = [Past(busy(-2.0 * step), 1) for step in range(70, 0, -1)]
    assert desired(busy(0.0), LIMITS, history).count == ceil((72 + sqrt(72)) / LANES)


def test_who_has_been_starting_for_long_is_counted_for_more() -> None:
    """They will have worked longer by the time that another one would be there."""
    waiting = seen(workers=1, queued=4000, backlog_seconds=4000.0, starting=30)
    counts = [
        desired(replace(waiting, starting_age_seconds=30 * age), LIMITS, quiet(1, workers=1)).count
        for age in (0.0, 2.5, 5.0, 50.0)
    ]
    assert counts[0] > counts[1] > counts[2] == counts[3]


def test_the_history_is_bounded_and_covers_the_cool_down() -> None:
    """However often somebody looks, memory stays, and a shrink can still be judged."""
    history: list[Past] = []
    for step in range(2000):
        reading = seen(step * TICK_SECONDS, workers=3)
        history = remember(history, reading, desired(reading, LIMITS, history), LIMITS)
    assert len(history) <= MAX_HISTORY
    assert history[0].seen.at_seconds <= history[-1].seen.at_seconds - SLOW_SECONDS
    assert desired(seen(4000.0, workers=3), LIMITS, history).count == 1


@st.composite
def situations(draw: st.DrawFn) -> tuple[Seen, Limits, list[Past]]:
    """Any reading after any history of the same service."""
    least = draw(st.integers(0, 20))
    limits = Limits(
        min_workers=least,
        max_workers=draw(st.integers(max(least, 1), 1000)),
        target_wait_seconds=draw(st.floats(0.5, 300)),
        start_seconds=draw(st.floats(0, 300)),
        cool_down_seconds=draw(st.floats(0, 200)),
    )
    at, done, submitted = 0.0, 0.0, 0
    readings = []
    for _ in range(draw(st.integers(1, 8))):
        at += draw(st.floats(0.1, 60))
        done += draw(st.floats(0, 1e5))
        submitted += draw(st.integers(0, 5000))
        reading = seen(
            at,
            workers=draw(st.integers(0, 1200)),
            queued=draw(st.integers(0, 10**5)),
            leased=draw(st.integers(0, 10**4)),
            backlog_seconds=draw(st.floats(0, 1e6)),
            done_seconds=done,
            submitted=submitted,
            starting=draw(st.integers(0, 50)),
        )
        readings.append(reading)
    history = [Past(reading, draw(st.integers(0, 1000))) for reading in readings[:-1]]
    return readings[-1], limits, history


@given(situations())
def test_never_beyond_the_limits(situation: tuple[Seen, Limits, list[Past]]) -> None:
    """Whatever is seen, and however many there are now."""
    now, limits, history = situation
    decision = desired(now, limits, history)
    assert limits.min_workers <= decision.count <= limits.max_workers
    assert limits.min_workers <= decision.keep <= limits.max_workers


@given(situations())
def test_the_reason_is_always_said(situation: tuple[Seen, Limits, list[Past]]) -> None:
    """In words, with what was seen in figures."""
    decision = desired(*situation)
    assert len(decision.reason.split()) > 5
    assert any(character.isdigit() for character in decision.reason) or "no job" in decision.reason


@given(situations())
def test_never_shrinks_while_the_backlog_exceeds_the_target(
    situation: tuple[Seen, Limits, list[Past]],
) -> None:
    """As long as jobs wait and those who are ready need longer than the target for the backlog."""
    now, limits, history = situation
    capacity_hz = max(now.ready * LANES, 1) * LANE_HZ
    waits = now.queued and now.backlog_iterations / capacity_hz > limits.target_wait_seconds
    if waits and now.count <= limits.max_workers:
        assert desired(now, limits, history).count >= now.count


@given(situations(), st.floats(1, 1e12))
def test_more_backlog_never_means_fewer_workers(
    situation: tuple[Seen, Limits, list[Past]], more: float
) -> None:
    """All else being equal."""
    now, limits, history = situation
    worse = replace(now, backlog_iterations=now.backlog_iterations + more)
    assert desired(worse, limits, history).count >= desired(now, limits, history).count


@given(situations())
def test_nothing_is_taken_away_before_a_cool_down_was_watched(
    situation: tuple[Seen, Limits, list[Past]],
) -> None:
    """A controller that has just taken over does not shrink what it has not seen at work."""
    now, limits, history = situation
    young = [p for p in history if p.seen.at_seconds > now.at_seconds - limits.cool_down_seconds]
    if now.count <= limits.max_workers:
        assert desired(now, limits, young).count >= now.count


class Fluid:
    """A load that flows: so many lanes' worth arrives all the time, in jobs of one size."""

    def __init__(self, busy_lanes: float, job_seconds: float, start_seconds: float) -> None:
        self._busy, self._job = busy_lanes, job_seconds
        self._came = self._done = 0.0
        self._starting: list[float] = []
        self._start_seconds = start_seconds
        self.workers = 1

    def reading(self, at: float) -> Seen:
        here = [ordered for ordered in self._starting if at >= ordered + self._start_seconds]
        self._starting = [ordered for ordered in self._starting if ordered not in here]
        self.workers += len(here)
        lanes = self.workers * LANES
        self._came += self._busy * TICK_SECONDS
        worked = min(lanes * TICK_SECONDS, self._came - self._done)
        self._done += worked
        jobs = ceil((self._came - self._done) / self._job) + ceil(min(self._busy, lanes))
        return replace(
            seen(
                at,
                workers=self.workers,
                queued=max(0, jobs - lanes),
                leased=min(jobs, lanes),
                backlog_seconds=self._came - self._done,
                done_seconds=self._done,
                submitted=int(self._came / self._job),
                starting=len(self._starting),
            ),
            starting_age_seconds=sum(at - ordered for ordered in self._starting),
        )

    def follow(self, decision: Decision, at: float) -> None:
        """As fleets do: those who have not started are the first to go, the latest before."""
        now = self.workers + len(self._starting)
        self._starting += [at] * (decision.count - now)
        too_many = max(0, now - decision.count)
        unborn = min(too_many, len(self._starting))
        self._starting = self._starting[: len(self._starting) - unborn]
        self.workers -= too_many - unborn


@settings(deadline=None, max_examples=40)
@given(st.floats(0.1, 700), st.floats(0.05, 60), st.floats(0, 60))
@example(busy_lanes=10.0, job_seconds=9.0, start_seconds=35.0)
@example(busy_lanes=698.0, job_seconds=52.0, start_seconds=59.0)  # found after 600 s
def test_a_steady_load_moves_nothing(
    busy_lanes: float, job_seconds: float, start_seconds: float
) -> None:
    """Once it has found its size it keeps it: no worker comes or goes any more."""
    limits = replace(LIMITS, start_seconds=start_seconds)
    load = Fluid(busy_lanes, job_seconds, start_seconds)
    history: list[Past] = []
    counts = []
    for step in range(800):
        at = step * TICK_SECONDS
        reading = load.reading(at)
        decision = desired(reading, limits, history)
        history = remember(history, reading, decision, limits)
        load.follow(decision, at)
        counts.append(decision.count)
    assert len(set(counts[400:])) == 1
    assert counts[-1] * LANES >= busy_lanes


def test_the_defaults_are_as_documented() -> None:
    """15 seconds of wait, 30 of cool-down."""
    assert (TARGET_WAIT_SECONDS, COOL_DOWN_SECONDS) == (15.0, 30.0)
    assert (LIMITS.target_wait_seconds, LIMITS.cool_down_seconds) == (15.0, 30.0)
