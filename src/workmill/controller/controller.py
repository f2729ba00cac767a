"""The controller: looks, judges, decides, orders. Any number may run, and one of them leads.

Theory. Each turn has two halves. `look` talks to the service: it beats, asks to lead, and reads. It
may block and may fail. `act` gives the fleets' orders, which nobody waits for, and tells the
balancer who belongs to it. All that is remembered between turns serves to judge better (who was
silent, what was wanted), none of it is truth: a controller that takes over begins with nothing and
is right within a cool-down.

A leader trusts only its own clock for its lease (`leadership`): whoever was stopped in between
finds the lease over when it wakes, and gives no order. Should one slip out all the same, its token
is too old for the fleet.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec

from workmill.controller.balancer_membership import Rotation
from workmill.controller.fleet_keeper import Keeper
from workmill.controller.health import Act, Judgement, Reading, Remedy, Watch, judge
from workmill.controller.leadership import Leading, Term
from workmill.controller.policy_adapters import Look
from workmill.domain.errors import Unavailable, WorkmillError
from workmill.domain.job import Load, Node
from workmill.domain.limits import READING_SECONDS
from workmill.telemetry import Incident, emit
from workmill.wire.messages import StatsView

TURN_SECONDS: Final = 1.0
"""Between two turns: the policy's reaction time, and a fraction of every silence it judges."""
OVER_SECONDS: Final = 0.01
"""After the end of another one's term, by what was left of it: then it is over, not about to be."""


class Service(Leading, Protocol):
    """The endpoint's face for a controller (`client.controller_client`)."""

    def stats(self) -> StatsView: ...
    def nodes(self) -> list[Node]: ...
    def beat(self, node: Node) -> None: ...


class Controller:
    """Keeps fleets as large as the load asks, and a balancer in step with its endpoints."""

    def __init__(
        self,
        node: Node,
        service: Service,
        keepers: Sequence[Keeper],
        rotation: Rotation | None = None,
        *,
        own_balancer: bool = False,
        ticks: Callable[[], float] = time.monotonic,
        load: Callable[[], Load] = Load,
    ) -> None:
        """`node` is what this controller beats as, `load` measures what it uses. A balancer of its
        own is told by this controller alone, and so also while another one leads."""
        self._node, self._service = node, service
        self._ticks, self._load = ticks, load
        self._keepers, self._rotation = keepers, rotation
        self._own_balancer = own_balancer
        self._term = Term(service, node.incarnation, ticks)
        self._token: int | None = None
        """Of the term that is remembered."""
        self._away = False
        self._outage = Incident("controller.blind", "controller.sees")
        self._beat_at = float("-inf")
        self._begin()

    def _begin(self) -> None:
        """A leader has seen nothing before its term."""
        self._watch = Watch()
        self._doubt: str | None = None
        for keeper in self._keepers:
            keeper.begin()
        if self._rotation:
            self._rotation.begin()

    @property
    def leads(self) -> bool:
        """Whether this controller may give orders now."""
        return self._term.holds

    @property
    def pause_seconds(self) -> float:
        """How long to wait until the next turn."""
        if self.leads or self._away:
            return TURN_SECONDS
        return min(TURN_SECONDS, max(0.0, self._term.left_seconds) + OVER_SECONDS)

    def look(self) -> Look | None:
        """Beat, ask to lead, and read; None for whoever neither leads nor has a balancer of its
        own, or finds no service."""
        try:
            look = self._look()
        except WorkmillError as error:
            self._outage.failed(why=error.detail)
            self._away = True
            return None
        self._away = False
        self._outage.succeeded()
        return look

    def _look(self) -> Look | None:
        leads = self._term.ask()
        now = self._ticks()
        if leads or now >= self._beat_at + TURN_SECONDS:
            self._beat()
            self._beat_at = now
        if not leads and not self._own_balancer:
            return None
        stats, nodes = self._service.stats(), self._service.nodes()
        if stats.age_seconds > READING_SECONDS:
            raise Unavailable(f"The service's figures are {stats.age_seconds:.0f} s old.")
        return Look(at_seconds=self._ticks(), stats=stats, nodes=nodes)

    def _beat(self, *, draining: bool = False) -> None:
        leads = (self._term.token or 0) if self.leads else 0
        about = {"load": self._load(), "leads": leads, "draining": draining}
        self._service.beat(msgspec.structs.replace(self._node, **about))

    async def act(self, look: Look) -> None:
        """Judge, decide and order by what was seen. Without the lead, tell only a balancer of its
        own."""
        if self._ticks() - look.at_seconds > READING_SECONDS:
            return  # this process was stopped in between: what it saw is over
        token = self._term.token if self.leads else None
        if token is None and not self._own_balancer:
            return
        if token != self._token:
            self._token = token
            self._begin()
        gone = frozenset[str]()
        if token is not None:
            gone = gone.union(*(keeper.look(token) for keeper in self._keepers))
        judgement = judge(
            self._watch, Reading(at_seconds=look.at_seconds, nodes=look.nodes, gone=gone)
        )
        self._watch = judgement.watch
        watched = [*self._watch.nodes.values()]
        if token is not None:
            self._say(judgement)
            for keeper in self._keepers:
                keeper.tend(look, watched, token)
        if self._rotation and (self.leads or self._own_balancer):
            await self._rotation.turn(watched, look.at_seconds)

    def stand_down(self) -> None:
        """Let another one lead at once, and say that this one leaves. Raises WorkmillError."""
        self._term.give_up()
        self._beat(draining=True)

    def _say(self, judgement: Judgement) -> None:
        if judgement.doubt and not self._doubt:
            emit("controller.holds_still", level="warning", why=judgement.doubt)
        self._doubt = judgement.doubt
        for remedy in judgement.remedies:
            self._say_health(remedy)

    def _say_health(self, remedy: Remedy) -> None:
        """That another one comes for the dead is the scaling's business: it counts one less."""
        node, act = remedy.node, remedy.act
        if act is Act.REPLACE and any(k.expects_end_of(node.incarnation) for k in self._keepers):
            act = Act.FORGET
        quiet = act in {Act.FORGET, Act.TRUST}
        emit(
            _SAID[act], level="info" if quiet else "warning", node=node.incarnation, why=remedy.why
        )


_SAID: Final[Mapping[Act, str]] = {
    Act.TRUST: "node.healthy",
    Act.WAIT: "node.suspect",
    Act.REPLACE: "node.dead",
    Act.FORGET: "node.left",
}
