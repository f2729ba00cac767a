"""The nodes of one role put together: what beats, and what the fleet says it has. Pure.

A node counts as ready while it beats and is not draining, as starting from its order to its first
beat. One that is silent is still counted until it is judged dead, even when the store does not
list it any more, so that a hiccup orders nobody. A dead one is replaced, but only ended after a
longer silence: a process that was stopped for some seconds comes back by itself, and is then one
too many, which drains.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from workmill.controller.fleet import Member
from workmill.controller.health import SUSPECT_SECONDS, Health, Watched
from workmill.domain.job import Node

END_SECONDS: Final = 30.0
"""What has been silent for so long is ended by force: it may hold memory, a port, a machine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """The nodes of one role by what they are good for."""

    ready: Sequence[Node]
    unsure: int
    """How many of the ready ones are silent now, or have not been heard since the term began. They
    may be gone: that is no reason to order others, and none to send others away."""
    starting: Sequence[Member]
    given_up: Sequence[Member]
    """What is left of nodes that have been silent for so long that nothing is hoped of them."""
    members: Mapping[str, Member]
    """Of the nodes that the fleet can order about, by incarnation."""


def crew_of(role: str, watched: Iterable[Watched], members: Sequence[Member]) -> Crew:
    """Who is there and who is coming."""
    ours = [one for one in watched if one.node.role == role]
    at_place = {(member.host, member.pid): member for member in members}
    places = {one.node.incarnation: (one.node.host, one.node.pid) for one in ours}
    found = {name: at_place.get(p) or at_place.get((p[0], None)) for name, p in places.items()}
    of_node = {name: member for name, member in found.items() if member is not None}
    seen = {member.name for member in of_node.values()}
    told_to_go = {name for name, member in of_node.items() if member.stopping}
    ready = [
        one
        for one in ours
        if one.health is not Health.DEAD
        and not one.node.draining
        and one.node.incarnation not in told_to_go
    ]
    return Crew(
        ready=[one.node for one in ready],
        unsure=sum(
            not one.steady_seconds or one.silent_seconds >= SUSPECT_SECONDS for one in ready
        ),
        starting=[m for m in members if m.name not in seen and not m.stopping],
        given_up=[
            of_node[one.node.incarnation]
            for one in ours
            if one.health is Health.DEAD
            and one.silent_seconds >= END_SECONDS
            and one.node.incarnation in of_node
        ],
        members=of_node,
    )


def spare(crew: Crew, count: int) -> list[Member]:
    """Who should go when `count` are too many: those who have not begun, then the least busy, then
    the youngest: who was replaced while it was silent and comes back stays. Only members of the
    fleet can be told to."""
    ours = [(node.leased, crew.members.get(node.incarnation)) for node in crew.ready]
    there = [(leased, member.age_seconds, member) for leased, member in ours if member]
    there.sort(key=lambda one: one[:2])
    return [*crew.starting, *(member for _, _, member in there)][:count]
