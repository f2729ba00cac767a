"""The keeper of one fleet: as many nodes of one role as its policy wants, and none that is lost.

Orders are given, not waited for: every turn looks at the fleet's list again. Every decision is an
event that says what was seen, what is done and why; a turn that changes nothing says nothing. A
fleet that does not answer is left alone until the next turn, and keeps nobody from the others.

A member that no beat has told of is not lost for that alone: a store that has just begun knows
nobody yet, and neither does a leader. So it must also have been listened for.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from statistics import median
from typing import Final

from workmill.controller.fleet import Fleet, Member
from workmill.controller.health import Watched
from workmill.controller.node_roster import END_SECONDS, Crew, crew_of, spare
from workmill.controller.policy_adapters import Look, Policy
from workmill.controller.scale_down import Decision
from workmill.domain.errors import WorkmillError
from workmill.telemetry import Incident, emit

STARTS_REMEMBERED: Final = 9
"""The median of so many starts says how long the next one takes."""
LOST_STARTS: Final = 5.0
MIN_LOST_SECONDS: Final = 30.0
"""A start that takes so many times as long as usual, and at least so many seconds, has failed, if
nothing was heard of it for `END_SECONDS` meanwhile."""


class Keeper:
    """Keeps one fleet as large as its policy wants."""

    def __init__(self, fleet: Fleet, policy: Policy) -> None:
        self._fleet, self._policy = fleet, policy
        self._starts: deque[float] = deque(maxlen=STARTS_REMEMBERED)
        self._outage = Incident("fleet.away", "fleet.answers", fleet=f"{policy.role}s")
        self.begin()

    def begin(self) -> None:
        """A leader has seen nothing before its term."""
        self._policy.begin()
        self._members: Sequence[Member] | None = None
        """As this turn has seen them; None when it has not."""
        self._found: frozenset[str] | None = None
        """Those that were there when the term began."""
        self._incarnations: dict[str, str] = {}
        """Of the fleet's members, from their first beat on."""
        self._unheard: dict[str, float] = {}
        """Since when members have been seen without a beat, on the controller's clock."""
        self._leaving: set[str] = set()
        """Incarnations that were told to drain."""
        self._said: tuple[str, int, int] | None = None

    def look(self, token: int) -> frozenset[str]:
        """Look at the fleet as the leader with this token; the incarnations whose end it has seen:
        they were in its list and are not any more. None of it when the fleet does not answer."""
        try:
            self._members = self._fleet.list(token)
        except WorkmillError as error:
            self._members = None
            self._outage.failed(why=error.detail)
            return frozenset()
        present = frozenset(member.name for member in self._members)
        if self._found is None:
            self._found = present
        gone = {one for name, one in self._incarnations.items() if name not in present}
        self._incarnations = {
            name: one for name, one in self._incarnations.items() if name in present
        }
        return frozenset(gone)

    def expects_end_of(self, incarnation: str) -> bool:
        """Whether this node was told to drain. Answers once: then it is forgotten."""
        expected = incarnation in self._leaving
        self._leaving.discard(incarnation)
        return expected

    def tend(self, look: Look, watched: Sequence[Watched], token: int) -> None:
        """Give the orders of this turn, by what was seen and how it is judged."""
        if self._members is None:
            return
        self._leaving.intersection_update(one.node.incarnation for one in watched)
        crew = crew_of(self._policy.role, watched, self._members)
        try:
            self._order(look, crew, token)
        except WorkmillError as error:
            self._outage.failed(why=error.detail)
        else:
            self._outage.succeeded()

    # --- the parts of a turn

    def _order(self, look: Look, crew: Crew, token: int) -> None:
        for member in crew.given_up:
            if not member.stopping:
                self._fleet.stop(member, token, drain=False)
        self._note_starts(crew, look.at_seconds)
        self._scale(look, self._without_lost(crew, look.at_seconds, token), token)

    def _note_starts(self, crew: Crew, at_seconds: float) -> None:
        """How long starts take, from those that were seen to begin and to end."""
        for incarnation, member in crew.members.items():
            if member.name in self._unheard and member.name not in (self._found or ()):
                self._starts.append(member.age_seconds)
            self._incarnations[member.name] = incarnation
        self._unheard = {
            member.name: self._unheard.get(member.name, at_seconds) for member in crew.starting
        }

    @property
    def _start_seconds(self) -> float:
        return median(self._starts) if self._starts else self._policy.start_seconds

    def _without_lost(self, crew: Crew, at_seconds: float, token: int) -> Crew:
        """The crew less those that will not come any more."""
        patience_seconds = max(MIN_LOST_SECONDS, LOST_STARTS * self._start_seconds)
        lost = [
            member
            for member in crew.starting
            if member.age_seconds > patience_seconds
            and at_seconds - self._unheard[member.name] >= END_SECONDS
        ]
        for member in lost:
            why = f"it was ordered {member.age_seconds:.0f} s ago and has not come"
            emit("node.lost", level="warning", lost_role=self._policy.role, why=why)
            self._fleet.stop(member, token, drain=False)
        return replace(crew, starting=[one for one in crew.starting if one not in lost])

    def _scale(self, look: Look, crew: Crew, token: int) -> None:
        counted, decision = self._policy.want(look, crew, self._start_seconds)
        more = decision.count - counted
        if more > 0:
            self._fleet.start(more, token)
            self._say("controller.grows", counted, decision)
        elif members := spare(crew, max(0, -more - crew.unsure)):
            for member in members:
                self._fleet.stop(member, token, drain=True)
                self._leaving.add(self._incarnations.get(member.name, ""))
            self._say("controller.shrinks", counted, decision)
        else:
            self._said = None

    def _say(self, event: str, count: int, decision: Decision) -> None:
        """Once for each decision, however many turns the fleet takes over it."""
        said = (event, count, decision.count)
        if said != self._said:
            fleet = f"{self._policy.role}s"
            emit(event, fleet=fleet, count=count, to=decision.count, why=decision.reason)
        self._said = said
