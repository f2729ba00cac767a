"""The controller: looks, judges, decides, orders. Any number may run, and one of them leads.

Theory. Each turn has two halves. `look` talks to the service: it beats, asks to lead, and reads. It
may block and may fail. `act` has no I/O but the fleet's orders, which nobody waits for. All that is
remembered between turns serves to judge better (who was silent, what was wanted), none of it is
truth: a controller that takes over begins with nothing and is right within a cool-down.

A leader trusts its own clock for its lease, counted from before it asked: whoever was stopped in
between finds the lease over when it wakes, and gives no order. Should one slip out all the same,
its token is too old for the fleet. Every decision is an event that says what was seen, what is
done, and why; a turn that changes nothing says nothing.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from statistics import median
from typing import Final, Protocol

import msgspec

from workmill.controller.fleet import Fleet, Member
from workmill.controller.health import Act, Reading, Remedy, Watch, judge
from workmill.controller.scaling import Decision, Limits, Past, desired, remember
from workmill.controller.sight import Crew, Look, crew_of, seen_of, spare
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Candidacy, Leadership, Load, Node
from workmill.domain.limits import LEAD_SECONDS
from workmill.telemetry import emit
from workmill.wire.messages import StatsView

TURN_SECONDS: Final = 1.0
"""Between two turns: the policy's reaction time, and a fraction of every silence it judges."""
RENEW_SHARE: Final = 2 / 3
"""Of the lease: with so much of it left a leader asks again. Each time costs the store a commit."""
STARTS_REMEMBERED: Final = 9
"""The median of so many starts says how long the next one takes."""
LOST_STARTS: Final = 5.0
MIN_LOST_SECONDS: Final = 30.0
"""A start that takes so many times as long as usual, and at least so many seconds, has failed."""


class Service(Protocol):
    """The endpoint's face for a controller (`client.control`)."""

    def stats(self) -> StatsView: ...
    def nodes(self) -> list[Node]: ...
    def beat(self, node: Node) -> None: ...
    def lead(self, candidacy: Candidacy) -> Leadership: ...


class Controller:
    """Keeps one fleet as large as the load asks."""

    def __init__(
        self,
        node: Node,
        service: Service,
        fleet: Fleet,
        limits: Limits,
        *,
        ticks: Callable[[], float] = time.monotonic,
        load: Callable[[], Load] = Load,
    ) -> None:
        """`node` is what this controller beats as, `load` measures what it uses."""
        self._node, self._service, self._fleet = node, service, fleet
        self._limits, self._ticks, self._load = limits, ticks, load
        self._token: int | None = None
        self._lead_until = float("-inf")
        self._away = False
        self._starts: deque[float] = deque(maxlen=STARTS_REMEMBERED)
        self._begin()

    def _begin(self) -> None:
        """A leader has seen nothing before its term."""
        self._watch = Watch()
        self._history: list[Past] = []
        self._incarnations: dict[str, str] = {}
        """Of the fleet's members, from their first beat on."""
        self._starting: set[str] = set()
        self._leaving: set[str] = set()
        """Incarnations that were told to drain."""
        self._doubt: str | None = None
        self._said: tuple[str, int, int] | None = None

    @property
    def leads(self) -> bool:
        """Whether this controller may give orders now."""
        return self._token is not None and self._ticks() < self._lead_until

    def look(self) -> Look | None:
        """Beat, ask to lead, and read; None for whoever does not lead or finds no service."""
        try:
            look = self._look()
        except WorkmillError as error:
            if not self._away:
                emit("controller.blind", level="warning", why=error.detail)
            self._away = True
            return None
        self._away = False
        return look

    def _look(self) -> Look | None:
        self._beat()
        asked_at = self._ticks()
        if self._token is None or asked_at >= self._lead_until - LEAD_SECONDS * RENEW_SHARE:
            leadership = self._service.lead(Candidacy(candidate=self._node.incarnation))
            if not self._follow(leadership, asked_at):
                return None
        stats, nodes = self._service.stats(), self._service.nodes()
        return Look(at_seconds=self._ticks(), stats=stats, nodes=nodes)

    def _beat(self, *, draining: bool = False) -> None:
        leads = (self._token or 0) if self.leads else 0
        about = {"load": self._load(), "leads": leads, "draining": draining}
        self._service.beat(msgspec.structs.replace(self._node, **about))

    def _follow(self, leadership: Leadership, asked_at: float) -> bool:
        """Whether this controller leads; a new term begins with an empty memory."""
        if leadership.holder != self._node.incarnation:
            if self._token is not None:
                emit("controller.replaced", level="warning", leader=leadership.holder)
            self._token = None
            return False
        if leadership.token != self._token:
            emit("controller.leads", token=leadership.token)
            self._begin()
        self._token = leadership.token
        self._lead_until = asked_at + LEAD_SECONDS
        return True

    def act(self, look: Look) -> None:
        """Judge, decide and order by what was seen. Without the lead, do nothing."""
        token = self._token
        if token is None or not self.leads:
            return
        members = self._fleet.list()
        reading = Reading(at_seconds=look.at_seconds, nodes=look.nodes, gone=self._gone(members))
        judgement = judge(self._watch, reading)
        self._watch = judgement.watch
        self._say_doubt(judgement.doubt)
        crew = crew_of(self._watch.nodes.values(), members)
        for remedy in judgement.remedies:
            self._say_health(remedy)
        for member in crew.dead:
            if not member.stopping:
                self._fleet.stop(member, token, drain=False)
        self._note_starts(crew)
        self._scale(look, self._without_lost(crew, token), token)

    def stand_down(self) -> None:
        """Let another controller lead at once, and say that this one leaves."""
        if self._token is not None:
            self._token = None
            self._service.lead(Candidacy(candidate=self._node.incarnation, lease_seconds=0.0))
        self._beat(draining=True)

    # --- the parts of a turn

    def _gone(self, members: Sequence[Member]) -> frozenset[str]:
        """Those whose end the fleet has seen: they were in its list and are not any more."""
        present = {member.name for member in members}
        gone = {one for name, one in self._incarnations.items() if name not in present}
        self._incarnations = {
            name: one for name, one in self._incarnations.items() if name in present
        }
        return frozenset(gone)

    def _say_doubt(self, doubt: str | None) -> None:
        if doubt and not self._doubt:
            emit("controller.holds_still", level="warning", why=doubt)
        self._doubt = doubt

    def _say_health(self, remedy: Remedy) -> None:
        """That another one comes for the dead is the scaling's business: it counts one less."""
        node, act = remedy.node, remedy.act
        if node.incarnation in self._leaving and act is Act.REPLACE:
            self._leaving.discard(node.incarnation)
            act = Act.FORGET
        quiet = act in {Act.FORGET, Act.TRUST}
        emit(
            _SAID[act], level="info" if quiet else "warning", node=node.incarnation, why=remedy.why
        )

    def _note_starts(self, crew: Crew) -> None:
        """How long starts take, from those that were seen to begin and to end."""
        for incarnation, member in crew.members.items():
            if member.name in self._starting:
                self._starts.append(member.age_seconds)
            self._incarnations[member.name] = incarnation
        self._starting = {member.name for member in crew.starting}

    @property
    def _start_seconds(self) -> float:
        return median(self._starts) if self._starts else self._limits.start_seconds

    def _without_lost(self, crew: Crew, token: int) -> Crew:
        """The crew less those that will not come any more."""
        patience_seconds = max(MIN_LOST_SECONDS, LOST_STARTS * self._start_seconds)
        lost = [member for member in crew.starting if member.age_seconds > patience_seconds]
        for member in lost:
            why = f"it was ordered {member.age_seconds:.0f} s ago and has not come"
            emit("worker.lost", level="warning", worker=member.name, why=why)
            self._fleet.stop(member, token, drain=False)
        return replace(crew, starting=[one for one in crew.starting if one not in lost])

    def _scale(self, look: Look, crew: Crew, token: int) -> None:
        limits = replace(self._limits, start_seconds=self._start_seconds)
        seen = seen_of(look, crew, limits.start_seconds)
        decision = desired(seen, limits, self._history)
        self._history = remember(self._history, seen, decision, limits)
        more = decision.count - seen.count
        if more > 0:
            self._fleet.start(more, token)
            self._say("controller.grows", seen.count, decision)
        elif more < 0 and (members := spare(crew, -more)):
            for member in members:
                self._fleet.stop(member, token, drain=True)
                self._leaving.add(self._incarnations.get(member.name, ""))
            self._say("controller.shrinks", seen.count, decision)
        else:
            self._said = None

    def _say(self, event: str, count: int, decision: Decision) -> None:
        """Once for each decision, however many turns the fleet takes over it."""
        said = (event, count, decision.count)
        if said != self._said:
            emit(event, workers=count, to=decision.count, why=decision.reason)
        self._said = said


_SAID: Final[Mapping[Act, str]] = {
    Act.TRUST: "node.healthy",
    Act.WAIT: "node.suspect",
    Act.REPLACE: "node.dead",
    Act.FORGET: "node.left",
}
