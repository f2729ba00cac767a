"""The simulation: that its world is right, and what the policy comes to in it.

Time is virtual and every run seeded, so the figures are the same on any machine.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from xml.etree import ElementTree as Xml

import pytest

from workmill.controller.simulation import simulate, svg
from workmill.controller.simulation.baselines import (
    HPA_SYNC_SECONDS,
    KEDA_POLL_SECONDS,
    Original,
    QueueLength,
    Rule,
)
from workmill.controller.simulation.load_shapes import SHAPES, Arrival
from workmill.controller.simulation.report import (
    ORIGINAL,
    ORIGINAL_PATIENT,
    OURS,
    QUEUE_LENGTH,
    Figures,
    figures_of,
    limits_of,
    run_rule,
)
from workmill.controller.simulation.service_model import LANE_HZ, LANES, Machines, Outcome, World
from workmill.controller.worker_scaling import Limits, Seen
from workmill.domain.errors import InvalidInput
from workmill.domain.limits import LEASE_SECONDS, TARGET_WAIT_SECONDS

SEEDS = (1, 2, 3)
LIMITS = Limits(max_workers=50)


class Told:
    """A rule that does what a list says, a tick a second, and keeps what it saw."""

    tick_seconds = 1.0
    idle_seconds = 0.0

    def __init__(self, *counts: int) -> None:
        self._counts = list(counts)
        self.saw: list[Seen] = []

    def wanted(self, seen: Seen, _idle: int, /) -> int:
        self.saw.append(seen)
        return self._counts.pop(0) if self._counts else seen.count


def run(
    arrivals: list[Arrival],
    rule: Rule,
    *,
    start: float = 5.0,
    life: float | None = None,
    seed: int = 1,
) -> Outcome:
    return World(arrivals, rule, Machines(start, life, 60.0), first=1, seed=seed).run()


@cache
def figures(shape: str, seed: int) -> dict[str, Figures]:
    return {one.rule: one for one in simulate(shape, seed=seed)[0].figures}


def reading(*, queued: int = 0, leased: int = 0, ready: int = 1, at: float = 0.0) -> Seen:
    return Seen(
        at_seconds=at,
        queued=queued,
        leased=leased,
        backlog_iterations=0,
        iterations_done_total=0,
        submitted_total=0,
        ready=ready,
        rated=ready,
        rate_hz=1.0,
        lanes=LANES,
    )


def test_a_job_waits_for_a_lane() -> None:
    """Eight are taken up at once, the ninth when the first is done."""
    outcome = run([Arrival(1.0, 10.0)] * (LANES + 1), Told())
    assert outcome.waits[:LANES] == [0.0] * LANES
    assert outcome.waits[LANES] == pytest.approx(10.0, rel=0.11)
    assert outcome.worker_seconds == pytest.approx(60.0, abs=1.0)


def test_a_worker_is_paid_from_its_order_and_works_when_it_is_ready() -> None:
    """A start takes its time and costs it."""
    outcome = run([Arrival(0.0, 30.0)] * (2 * LANES), Told(2), start=5.0)
    assert outcome.waits[LANES:] == [5.0] * LANES
    assert (outcome.most_workers, outcome.ordered) == (2, 1)
    assert outcome.worker_seconds == pytest.approx(120.0, abs=2.0)


def test_a_drain_loses_no_work() -> None:
    """What was handed back goes on where it stood, and all its times in the queue count."""
    rule = Told(2, 2, 2, 1)
    outcome = run([Arrival(0.0, 10.0)] * (2 * LANES), rule, start=0.0)
    assert outcome.drained == 1
    done = rule.saw[-1].iterations_done_total / LANE_HZ
    assert done == pytest.approx(2 * LANES * 10.0)
    assert 0 < max(outcome.waits) < 11.0


def test_what_a_dead_worker_held_comes_back_when_its_lease_ends() -> None:
    """It loses no more than since the last checkpoint, and no job."""
    late = 0
    for seed in range(20):
        rule = Told(*[2] * 1000)
        outcome = run([Arrival(0.0, 20.0)], rule, life=30.0, seed=seed)
        late += outcome.waits[0] >= LEASE_SECONDS - 1e-6
        assert all(seen.leased + seen.queued <= 1 for seen in rule.saw)
        assert not 0.0 < outcome.waits[0] < LEASE_SECONDS - 1e-6
        assert rule.saw[-1].iterations_done_total / LANE_HZ == pytest.approx(
            20.0, abs=1.1
        )  # a tick ago
    assert late > 0


def test_a_rule_that_leaves_jobs_alone_is_found_out() -> None:
    """A run without an end ends."""
    with pytest.raises(RuntimeError, match="nobody comes"):
        run([Arrival(0.0, 5.0)], Told(0))


@pytest.mark.parametrize("shape", ["burst", "dying-nodes"])
def test_every_job_is_done_and_all_is_paid(shape: str) -> None:
    """No rule gets its work for nothing: what is paid is at least the work, at the fastest."""
    report, courses = simulate(shape)
    arrivals = SHAPES[shape].arrivals(1, 1.0)
    least = sum(arrival.lane_seconds for arrival in arrivals) / LANES / 1.1
    assert all(one.worker_seconds >= least for one in report.figures)
    assert set(courses) == {one.rule for one in report.figures}


def test_a_seed_gives_the_same_run_and_another_one_another() -> None:
    """Figures in the docs can be had again."""
    assert simulate("burst", seed=7) == simulate("burst", seed=7)
    assert simulate("burst", seed=7)[0] != simulate("burst", seed=8)[0]


def test_an_unknown_shape_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidInput, match="flash-crowd"):
        simulate("tsunami")


def test_queue_length_as_the_autoscaler_does_it() -> None:
    """Rounded up, deaf to a tenth, never down within 300 s, and at its own pace if asked."""
    rule = QueueLength(LIMITS, 5)
    assert rule.wanted(reading(queued=21), 0) == 5
    assert rule.wanted(reading(queued=27, ready=5), 0) == 5
    assert rule.wanted(reading(queued=400, ready=5, at=30.0), 0) == 50
    assert rule.wanted(reading(leased=20, ready=50, at=329.0), 0) == 50
    assert rule.wanted(reading(leased=20, ready=50, at=331.0), 0) == 4
    slow = QueueLength(LIMITS, 5, doubling=True)
    assert slow.wanted(reading(queued=400), 0) == 5
    assert slow.wanted(reading(queued=400, ready=10), 0) == 20


def test_the_original_as_it_was() -> None:
    """One more over 15 seconds, one less when one is idle, and never both."""
    late = replace(reading(queued=5, ready=3), oldest_wait_seconds=15.1)
    assert Original(LIMITS).wanted(late, 1) == 4
    assert Original(LIMITS).wanted(reading(ready=3), 2) == 2
    assert Original(LIMITS).wanted(reading(ready=3), 0) == 3


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", ["flash-crowd", "heavy-tail"])
def test_half_the_wait_of_queue_length_for_no_more_workers(shape: str, seed: int) -> None:
    """The bar: p99 wait at most half, at no more worker-seconds."""
    ours, theirs = figures(shape, seed)[OURS], figures(shape, seed)[QUEUE_LENGTH]
    assert ours.p99_wait_seconds <= theirs.p99_wait_seconds / 2
    assert ours.worker_seconds <= theirs.worker_seconds


@pytest.mark.parametrize("original", [ORIGINAL, ORIGINAL_PATIENT])
@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("shape", ["flash-crowd", "heavy-tail"])
def test_better_than_the_original_on_both(shape: str, seed: int, original: str) -> None:
    """Less waiting and fewer worker-seconds, however patient it is with idle workers."""
    ours, theirs = figures(shape, seed)[OURS], figures(shape, seed)[original]
    assert ours.p99_wait_seconds < theirs.p99_wait_seconds
    assert ours.worker_seconds < theirs.worker_seconds


@pytest.mark.parametrize("pace", [(KEDA_POLL_SECONDS, False), (HPA_SYNC_SECONDS, True)])
@pytest.mark.parametrize("shape", ["flash-crowd", "heavy-tail"])
def test_no_target_of_queue_length_does_better(shape: str, pace: tuple[float, bool]) -> None:
    """Whatever jobs per worker its user chooses, it costs more or waits more than twice as long."""
    known = SHAPES[shape]
    arrivals = known.arrivals(1, 1.0)
    ours = figures(shape, 1)[OURS]
    for target in (2, 5, 8, 10, 15, 20, 30, 60, 120):
        rule = QueueLength(limits_of(known), target, tick_seconds=pace[0], doubling=pace[1])
        theirs = figures_of(str(target), run_rule(known, rule, arrivals, 1))
        dearer = theirs.worker_seconds > ours.worker_seconds
        assert dearer or theirs.p99_wait_seconds > 2 * ours.p99_wait_seconds, theirs


def test_a_random_stream_is_no_reason_to_flap() -> None:
    """Those who are drained at the end of the load are nearly all who ever were."""
    ours = figures("steady", 1)[OURS]
    assert ours.drained <= ours.most_workers + 2


@pytest.mark.parametrize("seed", SEEDS)
def test_a_crowd_is_grown_for_once(seed: int) -> None:
    """While it lasts nobody who is still needed is drained and ordered again."""
    ours = figures("flash-crowd", seed)[OURS]
    assert ours.ordered <= ours.most_workers + 5


@pytest.mark.parametrize("shape", ["steady", "burst", "flash-crowd", "heavy-tail"])
def test_the_target_is_kept_where_starts_are_quick(shape: str) -> None:
    """Every load but the one whose machines start slowly: p99 wait under the target."""
    assert figures(shape, 1)[OURS].p99_wait_seconds < TARGET_WAIT_SECONDS


def test_the_target_is_kept_while_workers_die() -> None:
    """The dead are replaced; what they held waits for its lease, but it is little."""
    assert figures("dying-nodes", 1)[OURS].p99_wait_seconds < TARGET_WAIT_SECONDS


def test_the_picture_is_whole() -> None:
    """Well-formed, a line for each rule in both panels, and their figures in words."""
    report, courses = simulate("burst")
    picture = Xml.fromstring(svg(report, courses))  # noqa: S314 - it is our own
    tags = [element.tag.rpartition("}")[2] for element in picture.iter()]
    assert tags.count("polyline") == 2 * len(report.figures)
    words = " ".join(element.text or "" for element in picture.iter())
    assert all(one.rule in words for one in report.figures)
