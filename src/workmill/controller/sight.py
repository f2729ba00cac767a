"""What a controller sees, put together: the store's counters, the nodes' beats, the fleet's list.

Pure. A worker counts as ready while it beats and is not draining, as starting from its order to its
first beat. One that is silent is still counted until it is judged dead, even when the store does
not list it any more, so that a hiccup orders nobody.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from workmill.controller.fleet import Member
from workmill.controller.health import Health, Watched
from workmill.controller.scaling import Seen
from workmill.domain.job import Node
from workmill.domain.lifecycle import Status
from workmill.wire.messages import StatsView

WORKER = "worker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look at the service, and when it was."""

    at_seconds: float
    """On the controller's monotonic clock."""
    stats: StatsView
    nodes: Sequence[Node]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The workers by what they are good for."""

    ready: Sequence[Node]
    starting: Sequence[Member]
    dead: Sequence[Member]
    """What is left of workers that were judged dead."""
    members: Mapping[str, Member]
    """Of the nodes that the fleet can order about, by incarnation."""


def crew_of(watched: Iterable[Watched], members: Sequence[Member]) -> Crew:
    """Who is there and who is coming."""
    workers = [one for one in watched if one.node.role == WORKER]
    living = [one.node for one in workers if one.health is not Health.DEAD]
    at_place = {(member.host, member.pid): member for member in members}
    places = {one.node.incarnation: (one.node.host, one.node.pid) for one in workers}
    found = {name: at_place.get(p) or at_place.get((p[0], None)) for name, p in places.items()}
    of_node = {name: member for name, member in found.items() if member is not None}
    seen = {member.name for member in of_node.values()}
    told_to_go = {name for name, member in of_node.items() if member.stopping}
    return Crew(
        ready=[n for n in living if not n.draining and n.incarnation not in told_to_go],
        starting=[m for m in members if m.name not in seen and not m.stopping],
        dead=[
            of_node[one.node.incarnation]
            for one in workers
            if one.health is Health.DEAD and one.node.incarnation in of_node
        ],
        members=of_node,
    )


def seen_of(look: Look, crew: Crew, start_seconds: float) -> Seen:
    """A look as the scaling policy wants it."""
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


def spare(crew: Crew, count: int) -> list[Member]:
    """Who should go when `count` are too many: those who have not begun, then the least busy. Only
    members of the fleet can be told to."""
    idle = list(crew.starting)
    busy = sorted(
        (node for node in crew.ready if node.incarnation in crew.members),
        key=lambda node: node.leased,
    )
    return [*idle, *(crew.members[node.incarnation] for node in busy)][:count]
