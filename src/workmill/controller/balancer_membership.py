"""Which endpoints the balancer spreads requests over: what the beats say, carried to the balancer.

Theory. Two judges look at every endpoint: the balancer asks it every second whether it is ready,
and the controller hears its beats through the store. The balancer decides who gets the next
request, for it is quicker. The controller only decides who *belongs* there: whoever beats and says
where it serves. So an endpoint that anybody starts anywhere comes in by itself, one that drains
gets nothing new, one that is dead is removed and its callers are let go, and a balancer that has
forgotten everything is filled again within a turn.

One that the balancer finds ready is never removed, whatever the beats say: it answers. And one that
nobody has told of is removed only after a while, for a leader that has just begun, or a store that
has, does not know everybody yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, NamedTuple

from workmill.controller.balancer import Balancer, Member, Place
from workmill.controller.health import DEAD_SECONDS, Health, Watched
from workmill.domain.errors import WorkmillError
from workmill.telemetry import Incident, emit

ROLE: Final = "endpoint"
TURN_SECONDS: Final = 2.0
"""How long a turn waits for a balancer: the lease must not run out over one that hangs."""
STRANGER_SECONDS: Final = DEAD_SECONDS
"""How long the balancer keeps an endpoint that does not answer and that no beat has told of."""


class Change(NamedTuple):
    """What to tell the balancer about one endpoint, and why."""

    verb: Literal["add", "drain", "remove"]
    place: Place
    why: str


@dataclass(frozen=True, slots=True)
class _Known:
    """Where endpoints serve, by what their beats say; a process that took a dead one's place counts
    before it."""

    living: set[Place] = field(default_factory=set)
    leaving: set[Place] = field(default_factory=set)
    dead: set[Place] = field(default_factory=set)


def place_of(serves: str) -> Place | None:
    """`address:port` of a beat; None for an endpoint that says nothing or something else."""
    host, colon, port = serves.rpartition(":")
    if not colon or not (port.isascii() and port.isdigit()):
        return None
    return Place(host.strip("[]"), int(port))


def changes(
    watched: Iterable[Watched], members: Sequence[Member], strangers: frozenset[Place]
) -> list[Change]:
    """What the balancer must be told: who goes comes first, for one that is full has no room for
    others. `strangers` have been unknown for long enough."""
    known = _known(watched)
    standing = {member.place: member.standing for member in members}
    told = [
        Change("remove", place, why)
        for place, stands in standing.items()
        if stands != "serving" and (why := _why_removed(place, known, strangers))
    ]
    told += [
        Change("drain", place, "it drains")
        for place in sorted(known.leaving)
        if standing.get(place, "draining") != "draining"
    ]
    told += [
        Change("add", place, "it beats and is not in rotation")
        for place in sorted(known.living)
        if standing.get(place, "draining") == "draining"
    ]
    return told


def unknown(watched: Iterable[Watched], members: Sequence[Member]) -> set[Place]:
    """Where the balancer has endpoints that no beat has told of."""
    known = _known(watched)
    return {one.place for one in members} - known.living - known.leaving - known.dead


def _why_removed(place: Place, known: _Known, strangers: frozenset[Place]) -> str | None:
    if place in known.dead:
        return "it is dead: what hangs there is let go"
    if place in strangers:
        return f"nobody has beaten from there for {STRANGER_SECONDS:g} s"
    return None


def _known(watched: Iterable[Watched]) -> _Known:
    known = _Known()
    for one in watched:
        place = place_of(one.node.serves) if one.node.role == ROLE else None
        if place is None:
            continue
        if one.health is Health.DEAD:
            known.dead.add(place)
        elif one.node.draining:
            known.leaving.add(place)
        else:
            known.living.add(place)
    known.leaving.difference_update(known.living)
    known.dead.difference_update(known.living, known.leaving)
    return known


class Rotation:
    """Tells one balancer, turn by turn."""

    def __init__(self, balancer: Balancer) -> None:
        self._balancer = balancer
        self._since: dict[Place, float] = {}
        """Since when a member has been unknown, on the controller's clock."""
        self._outage = Incident("balancer.away", "balancer.answers")

    def begin(self) -> None:
        """A leader has seen nothing before its term."""
        self._since.clear()

    async def turn(self, watched: Sequence[Watched], at_seconds: float) -> None:
        """Carry the beats to the balancer. What fails is said once and tried again next turn."""
        try:
            async with asyncio.timeout(TURN_SECONDS):
                failures = await self._tell(watched, at_seconds)
        except TimeoutError:
            failures = [f"it has not answered for {TURN_SECONDS:g} s"]
        except WorkmillError as error:
            failures = [error.detail]
        if failures:
            self._outage.failed(why=failures[0])
        else:
            self._outage.succeeded()

    async def _tell(self, watched: Sequence[Watched], at_seconds: float) -> list[str]:
        """What was refused: one endpoint that cannot be had keeps no other one out."""
        failures: list[str] = []
        members = await self._balancer.members()
        for change in changes(watched, members, self._strangers(watched, members, at_seconds)):
            try:
                await getattr(self._balancer, change.verb)(change.place)
            except WorkmillError as error:
                failures.append(error.detail)
                continue
            host, port = change.place
            emit(f"balancer.{change.verb}", serves=f"{host}:{port}", why=change.why)
        return failures

    def _strangers(
        self, watched: Sequence[Watched], members: Sequence[Member], at_seconds: float
    ) -> frozenset[Place]:
        unheard = unknown(watched, members)
        self._since = {place: self._since.get(place, at_seconds) for place in unheard}
        return frozenset(
            place for place, since in self._since.items() if at_seconds - since >= STRANGER_SECONDS
        )
