"""A service and a fleet that are only told about, and controllers that play on them."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from workmill.controller import controller, fleet_keeper, leadership
from workmill.controller.balancer_membership import Rotation
from workmill.controller.controller import Controller
from workmill.controller.fleet import Fence, Fleet, Member
from workmill.controller.fleet_keeper import Keeper
from workmill.controller.policy_adapters import WorkerPolicy
from workmill.controller.worker_scaling import Limits
from workmill.domain.errors import EndpointUnreachable, Unavailable
from workmill.domain.job import Candidacy, Leadership, Load, Node, Stats
from workmill.telemetry import outage_log
from workmill.wire.messages import StatsView

HOST, LANES, LANE_HZ = "h", 8, 5e6
LOAD = Load(cpu_cores=0.5, resident_bytes=1000)
START_SECONDS = 3.0
COOL_DOWN_SECONDS = 20.0


class Mill:
    """A service, the fleet under it and the time they share. Work arrives by hand."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.queued = self.done_seconds = 0
        self.leader, self.token, self.until = "", 0, 0.0
        self.asked = 0
        self.answer_seconds = self.list_seconds = self.age_seconds = 0.0
        self.beats: dict[int, float] = {}
        self.ordered: dict[int, float] = {}
        self.draining: set[int] = set()
        self.ends: list[tuple[int, bool]] = []
        self.silent: set[int] = set()
        self.stillborn = self.away = self.fleet_away = False
        self.fence = Fence()
        self._pids = iter(range(1, 10_000))
        self.beaten: list[Node] = []
        self.served: list[Node] = []
        """Endpoints, which beat by themselves."""

    # --- the service

    def stats(self) -> StatsView:
        counted = dict.fromkeys(Stats.__struct_fields__, 0)
        told = {
            "jobs": {"queued": self.queued},
            "oldest_queued_at_ms": None,
            "unavailable": (),
            "warnings": (),
            "backlog_iterations": int(self.queued * LANE_HZ),
            "iterations_done_total": int(self.done_seconds * LANE_HZ),
        }
        stats = msgspec.convert({**counted, **told}, Stats)
        return StatsView(
            stats=stats,
            rate_hz=0.0,
            workers=0,
            backlog_seconds=None,
            age_seconds=self.age_seconds,
        )

    def nodes(self) -> list[Node]:
        if self.away:
            raise EndpointUnreachable("away")
        return [*self.served, *(self._node(pid) for pid in self.beats)]

    def _node(self, pid: int) -> Node:
        return Node(
            incarnation=f"i{pid}",
            role="worker",
            host=HOST,
            pid=pid,
            version="0",
            rate_hz=LANES * LANE_HZ,
            slots=LANES,
            seen_at_ms=round(self.beats[pid] * 1000),
        )

    def beat(self, node: Node) -> None:
        if self.away:
            raise EndpointUnreachable("away")
        self.beaten.append(node)

    def lead(self, candidacy: Candidacy) -> Leadership:
        self.asked += 1
        self.now += self.answer_seconds
        if self.until <= self.now:
            self.leader, self.token = candidacy.candidate, self.token + 1
        if self.leader == candidacy.candidate:
            self.until = self.now + candidacy.lease_seconds
        left_seconds = self.until - self.now
        return Leadership(token=self.token, holder=self.leader, left_seconds=left_seconds)

    # --- the fleet

    def list(self, token: int) -> Sequence[Member]:
        if self.fleet_away:
            raise Unavailable("no supervisor")
        self.fence.admits(token)
        self.now += self.list_seconds
        return [
            Member(
                name=str(pid),
                host=HOST,
                pid=pid,
                age_seconds=self.now - at,
                stopping=pid in self.draining,
            )
            for pid, at in self.ordered.items()
        ]

    def start(self, count: int, token: int) -> None:
        if self.fence.admits(token):
            self.ordered.update({next(self._pids): self.now for _ in range(count)})

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        if self.fence.admits(token):
            self.ends.append((int(member.name), drain))
            self.draining.add(int(member.name))

    # --- the world

    def end(self, pid: int) -> None:
        """A process ends; its node is listed until its silence is long."""
        self.ordered.pop(pid, None)
        self.draining.discard(pid)
        self.silent.add(pid)

    def second(self) -> None:
        """Whoever was told to go goes, whoever is ready beats."""
        self.now += 1.0
        for pid in [*self.draining]:
            self.end(pid)
        for pid, at in self.ordered.items():
            if self.now >= at + START_SECONDS and pid not in self.silent and not self.stillborn:
                self.beats[pid] = self.now
        self.beats = {pid: at for pid, at in self.beats.items() if at > self.now - 15}


class Play:
    """A mill and a controller in it; what is emitted is kept."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.mill = Mill()
        self.events: list[tuple[str, dict[str, object]]] = []
        for module in (controller, fleet_keeper, leadership, outage_log):
            monkeypatch.setattr(
                module, "emit", lambda event, **fields: self.events.append((event, fields))
            )
        self.controller = self.another("c1")

    def another(
        self,
        name: str,
        *fleets: Fleet,
        rotation: Rotation | None = None,
        own_balancer: bool = False,
    ) -> Controller:
        node = Node(incarnation=name, role="controller", host=HOST, pid=1, version="0")
        limits = Limits(
            min_workers=1, max_workers=4, start_seconds=1.0, cool_down_seconds=COOL_DOWN_SECONDS
        )
        keepers = [Keeper(fleet, WorkerPolicy(limits)) for fleet in fleets or (self.mill,)]
        return Controller(
            node,
            self.mill,
            keepers,
            rotation,
            own_balancer=own_balancer,
            ticks=lambda: self.mill.now,
            load=lambda: LOAD,
        )

    async def turns(self, count: int = 1, *controllers: Controller) -> None:
        for _ in range(count):
            self.mill.second()
            for one in controllers or (self.controller,):
                if look := one.look():
                    await one.act(look)

    def said(self, event: str) -> list[dict[str, object]]:
        return [fields for name, fields in self.events if name == event]

    @property
    def pids(self) -> list[int]:
        return [*self.mill.ordered]
