"""The scaling policies as a keeper drives them: each turns a look into a count, and remembers.

The pure policies (`worker_scaling`, `endpoint_scaling`) know numbers only. Here the look and the
crew are put into those numbers, and what a policy needs of the past is kept between two turns.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, Protocol

from workmill.controller import endpoint_scaling, worker_scaling
from workmill.controller.endpoint_scaling import EndpointLimits, EndpointsPast, EndpointsSeen
from workmill.controller.node_roster import Crew
from workmill.controller.scale_down import Decision
from workmill.controller.worker_scaling import Limits, Past, Seen
from workmill.domain.job import Node
from workmill.domain.lifecycle import Status
from workmill.wire.messages import StatsView


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the service, and when it was."""

    at_seconds: float
    """On the controller's monotonic clock."""
    stats: StatsView
    nodes: Sequence[Node]


class Wanted(NamedTuple):
    """How many nodes were counted, and what was decided about that."""

    counted: int
    decision: Decision


class Policy(Protocol):
    """Says how many nodes of one role there should be."""

    role: str
    start_seconds: float
    """How long a start takes, until it has been measured."""

    def begin(self) -> None:
        """Forget the past: another term begins."""
        ...

    def want(self, look: Look, crew: Crew, start_seconds: float) -> Wanted:
        """Decide by this look and those before it."""
        ...


class WorkerPolicy:
    """Workers by seconds of backlog (`worker_scaling`)."""

    role = "worker"

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self.start_seconds = limits.start_seconds
        self.begin()

    def begin(self) -> None:
        """See `Policy`."""
        self._history: list[Past] = []
        self._unavailable: tuple[str, ...] = ()

    def want(self, look: Look, crew: Crew, start_seconds: float) -> Wanted:
        """See `Policy`. When another part of the store is away, or one is back, the figures jump by
        what it holds: nothing has arrived by that, so the past is forgotten."""
        if look.stats.stats.unavailable != self._unavailable:
            self._history = []
        self._unavailable = look.stats.stats.unavailable
        limits = replace(self._limits, start_seconds=start_seconds)
        seen = workers_seen(look, crew, start_seconds)
        decision = worker_scaling.desired(seen, limits, self._history)
        self._history = worker_scaling.remember(self._history, seen, decision, limits)
        return Wanted(seen.count, decision)


class EndpointPolicy:
    """Endpoints by cores, requests and lag (`endpoint_scaling`)."""

    role = "endpoint"

    def __init__(self, limits: EndpointLimits) -> None:
        self._limits = limits
        self.start_seconds = limits.start_seconds
        self.begin()

    def begin(self) -> None:
        """See `Policy`."""
        self._history: list[EndpointsPast] = []

    def want(self, look: Look, crew: Crew, start_seconds: float) -> Wanted:
        """See `Policy`."""
        limits = replace(self._limits, start_seconds=start_seconds)
        seen = endpoints_seen(look, crew)
        decision = endpoint_scaling.desired(seen, limits, self._history)
        self._history = endpoint_scaling.remember(self._history, seen, decision.keep, limits)
        return Wanted(seen.count, decision)


def workers_seen(look: Look, crew: Crew, start_seconds: float) -> Seen:
    """A look as the workers' policy wants it."""
    stats = look.stats.stats
    rated = [node.rate_hz for node in crew.ready if node.rate_hz > 0]
    return Seen(
        at_seconds=look.at_seconds,
        queued=stats.jobs.get(Status.QUEUED, 0),
        leased=stats.jobs.get(Status.LEASED, 0),
        backlog_iterations=stats.backlog_iterations,
        iterations_done_total=stats.iterations_done_total,
        submitted_total=stats.submitted_total,
        ready=len(crew.ready),
        rated=len(rated),
        rate_hz=sum(rated),
        lanes=sum(max(1, node.slots) for node in crew.ready),
        starting=len(crew.starting),
        starting_age_seconds=sum(min(one.age_seconds, start_seconds) for one in crew.starting),
    )


def endpoints_seen(look: Look, crew: Crew) -> EndpointsSeen:
    """A look as the endpoints' policy wants it."""
    loads = [node.load for node in crew.ready]
    return EndpointsSeen(
        at_seconds=look.at_seconds,
        cpu_cores=sum(load.cpu_cores for load in loads),
        requests_hz=sum(load.requests_hz for load in loads),
        late=sum(load.loop_lag_seconds > endpoint_scaling.LATE_SECONDS for load in loads),
        ready=len(crew.ready),
        starting=len(crew.starting),
    )
