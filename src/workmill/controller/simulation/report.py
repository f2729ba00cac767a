"""One shape of load under several rules, in figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import ceil
from typing import Final

import msgspec

from workmill.controller.simulation.baselines import (
    HPA_SYNC_SECONDS,
    Original,
    Ours,
    QueueLength,
    Rule,
)
from workmill.controller.simulation.load_shapes import SHAPES, Arrival, Shape
from workmill.controller.simulation.service_model import LANES, Machines, Moment, Outcome, World
from workmill.controller.worker_scaling import Limits
from workmill.domain.errors import InvalidInput

MAX_WORKERS: Final = 1000
OURS: Final = "backlog seconds (ours)"
QUEUE_LENGTH: Final = "queue length, tuned"
ORIGINAL: Final = "the original"
ORIGINAL_PATIENT: Final = "the original, patient"
ORIGINAL_IDLE_SECONDS: Final = 600.0
"""How long the patient one lets a worker be idle."""


class Figures(msgspec.Struct, frozen=True, kw_only=True):
    """One rule's run. Waits are seconds in the queue of a job, all its times in it together."""

    rule: str
    p50_wait_seconds: float
    p95_wait_seconds: float
    p99_wait_seconds: float
    most_wait_seconds: float
    worker_seconds: int
    """From each worker's order until it was gone."""
    most_workers: int
    ordered: int
    drained: int


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What `workmill simulate` found."""

    shape: str
    text: str
    seed: int
    scale: float
    jobs: int
    start_seconds: float
    figures: list[Figures]


Courses = Mapping[str, Sequence[Moment]]
"""How each rule's run went, for the plot."""


def rules(shape: Shape, limits: Limits) -> dict[str, Rule]:
    """Ours first, then those it is compared with. Queue length is tuned as well as its user can
    who knows the mean job: the jobs that a worker does within the target wait."""
    tuned = limits.target_wait_seconds * LANES / shape.mean_lane_seconds
    return {
        OURS: Ours(limits),
        QUEUE_LENGTH: QueueLength(limits, tuned),
        "queue length, every 15 s": QueueLength(
            limits, tuned, tick_seconds=HPA_SYNC_SECONDS, doubling=True
        ),
        "queue length, default": QueueLength(limits),
        ORIGINAL: Original(limits),
        ORIGINAL_PATIENT: Original(limits, idle_seconds=ORIGINAL_IDLE_SECONDS),
    }


def simulate(
    name: str, *, seed: int = 1, scale: float = 1.0, start_seconds: float | None = None
) -> tuple[Report, Courses]:
    """Run a shape under every rule. Raises InvalidInput for a shape that nobody knows."""
    if name not in SHAPES:
        raise InvalidInput(f"There is no shape {name!r}. There are: {', '.join(SHAPES)}.")
    shape = SHAPES[name]
    if start_seconds is not None:
        shape = replace(shape, start_seconds=start_seconds)
    limits = limits_of(shape, scale)
    arrivals = shape.arrivals(seed, scale)
    outcomes = {
        name_of_rule: run_rule(shape, rule, arrivals, seed)
        for name_of_rule, rule in rules(shape, limits).items()
    }
    report = Report(
        shape=name,
        text=shape.text,
        seed=seed,
        scale=scale,
        jobs=len(arrivals),
        start_seconds=shape.start_seconds,
        figures=[figures_of(rule, outcome) for rule, outcome in outcomes.items()],
    )
    return report, {rule: outcome.moments for rule, outcome in outcomes.items()}


def limits_of(shape: Shape, scale: float = 1.0) -> Limits:
    """Ours for this shape: the defaults, but for how long its machines take to start."""
    most = round(MAX_WORKERS * max(1.0, scale))
    return Limits(max_workers=most, start_seconds=shape.start_seconds)


def run_rule(shape: Shape, rule: Rule, arrivals: Sequence[Arrival], seed: int) -> Outcome:
    """One rule's run, beginning with one worker."""
    machines = Machines(shape.start_seconds, shape.life_seconds, shape.run_seconds)
    return World(arrivals, rule, machines, first=1, seed=seed).run()


def figures_of(rule: str, outcome: Outcome) -> Figures:
    """A run in figures."""
    waits = sorted(outcome.waits)
    return Figures(
        rule=rule,
        p50_wait_seconds=_percentile(waits, 0.5),
        p95_wait_seconds=_percentile(waits, 0.95),
        p99_wait_seconds=_percentile(waits, 0.99),
        most_wait_seconds=_percentile(waits, 1.0),
        worker_seconds=round(outcome.worker_seconds),
        most_workers=outcome.most_workers,
        ordered=outcome.ordered,
        drained=outcome.drained,
    )


def _percentile(ordered: Sequence[float], share: float) -> float:
    """The least value that `share` of all do not exceed."""
    return round(ordered[max(0, ceil(len(ordered) * share) - 1)], 2) if ordered else 0.0
