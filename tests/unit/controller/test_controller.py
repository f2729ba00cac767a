"""The controller's turns, on a service and a fleet that are only told about."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import pytest

from workmill.controller import controller, keeper, term
from workmill.controller.balancer import Member as Server
from workmill.controller.balancer import Place
from workmill.controller.controller import Controller
from workmill.controller.crew import END_SECONDS
from workmill.controller.fleet import Fence, Fleet, Member
from workmill.controller.health import DEAD_SECONDS
from workmill.controller.keeper import MIN_LOST_SECONDS, Keeper
from workmill.controller.policies import WorkerPolicy
from workmill.controller.rotation import Rotation
from workmill.controller.scaling import Limits
from workmill.domain.errors import EndpointUnreachable, Unavailable
from workmill.domain.job import Candidacy, Leadership, Load, Node, Stats
from workmill.domain.limits import LEAD_SECONDS
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
        self.beats: dict[int, float] = {}
        self.ordered: dict[int, float] = {}
        self.draining: set[int] = set()
        self.ends: list[tuple[int, bool]] = []
        self.silent: set[int] = set()
        self.stillborn = self.away = self.fleet_away = False
        self.fence = Fence()
        self._pids = iter(range(1, 10_000))
        self.beaten: list[Node] = []

    # --- the service

    def stats(self) -> StatsView:
        counted = dict.fromkeys(Stats.__struct_fields__, 0)
        told = {
            "jobs": {"queued": self.queued},
            "oldest_queued_at_ms": None,
            "unavailable": (),
            "backlog_iterations": int(self.queued * LANE_HZ),
            "iterations_done_total": int(self.done_seconds * LANE_HZ),
        }
        stats = msgspec.convert({**counted, **told}, Stats)
        return StatsView(stats=stats, rate_hz=0.0, workers=0, backlog_seconds=None)

    def nodes(self) -> list[Node]:
        if self.away:
            raise EndpointUnreachable("away")
        return [self._node(pid) for pid in self.beats]

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
        if self.until <= self.now:
            self.leader, self.token = candidacy.candidate, self.token + 1
        if self.leader == candidacy.candidate:
            self.until = self.now + candidacy.lease_seconds
        return Leadership(token=self.token, holder=self.leader, until_ms=round(self.until * 1000))

    # --- the fleet

    def list(self, token: int) -> Sequence[Member]:
        if self.fleet_away:
            raise Unavailable("no supervisor")
        self.fence.admits(token)
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
        for module in (controller, keeper, term):
            monkeypatch.setattr(
                module, "emit", lambda event, **fields: self.events.append((event, fields))
            )
        self.controller = self.another("c1")

    def another(self, name: str, *fleets: Fleet, rotation: Rotation | None = None) -> Controller:
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


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    return Play(monkeypatch)


async def test_it_starts_the_least_number_and_beats(play: Play) -> None:
    """An empty fleet is filled to its minimum, and it is said why."""
    await play.turns(10)
    assert len(play.pids) == 1
    (grown,) = play.said("controller.grows")
    assert (grown["count"], grown["to"]) == (0, 1)
    assert [node.incarnation for node in play.mill.beaten].count("c1") == 10


async def test_a_burst_grows_the_fleet_to_its_limit_and_its_end_drains_it(play: Play) -> None:
    """Up to four, and back to one, by draining alone."""
    await play.turns(10)
    play.mill.queued = 2000
    await play.turns(5)
    assert len(play.pids) == 4
    assert "would wait longer" in str(play.said("controller.grows")[-1]["why"])
    play.mill.queued, play.mill.done_seconds = 0, 2000
    await play.turns(150)
    assert len(play.pids) == 1
    assert all(drain for _, drain in play.mill.ends)
    assert play.said("controller.shrinks")[-1]["to"] == 1
    assert play.said("node.dead") == []
    assert len(play.said("node.left")) == 3


async def test_a_worker_whose_end_was_seen_is_replaced_at_once(play: Play) -> None:
    """The fleet does not list it any more: one turn later another one is ordered."""
    await play.turns(10)
    (pid,) = play.pids
    play.mill.end(pid)
    await play.turns(1)
    (other,) = play.pids
    assert other != pid
    assert "has ended" in str(play.said("node.dead")[0]["why"])


async def test_a_worker_that_hangs_is_ended_and_replaced(play: Play) -> None:
    """It is listed and silent: another one comes, and after a longer silence it is ended."""
    await play.turns(10)
    (pid,) = play.pids
    play.mill.silent.add(pid)
    await play.turns(int(DEAD_SECONDS) + 2)
    assert (play.mill.ends, len(play.pids)) == ([], 2)
    await play.turns(int(END_SECONDS - DEAD_SECONDS))
    assert play.mill.ends == [(pid, False)]
    (other,) = play.pids
    assert other != pid
    assert [name for name, _ in play.events if name.startswith("node.")] == [
        "node.suspect",
        "node.dead",
    ]


async def test_a_start_that_never_comes_is_given_up(play: Play) -> None:
    """After its patience it is ended, and another one is ordered."""
    play.mill.stillborn = True
    await play.turns(int(MIN_LOST_SECONDS) + 5)
    assert [drain for _, drain in play.mill.ends] == [False]
    assert len(play.said("node.lost")) == 1
    assert len(play.pids) == 1


async def test_how_long_a_start_takes_is_measured(play: Play) -> None:
    """The policy plans with what was seen, not with what was guessed."""
    await play.turns(10)
    play.mill.queued = 2000
    await play.turns(1)
    assert f"takes {START_SECONDS:g} s to start" in str(play.said("controller.grows")[-1]["why"])


async def test_a_leader_that_hears_nobody_yet_ends_nobody(play: Play) -> None:
    """The service was away for longer than the lease, and its store knows nobody when it is back:
    workers that have not beaten again yet are not lost, and their age is no time of a start."""
    await play.turns(100)
    (pid,) = play.pids
    play.mill.now += LEAD_SECONDS
    play.mill.beats.clear()
    play.mill.silent.add(pid)
    await play.turns(3)
    assert play.mill.ends == []
    play.mill.silent.discard(pid)
    await play.turns(int(MIN_LOST_SECONDS) + 5)
    assert (play.pids, play.said("node.lost")) == ([pid], [])
    play.mill.queued = 2000
    await play.turns(1)
    assert f"takes {START_SECONDS:g} s to start" in str(play.said("controller.grows")[-1]["why"])


async def test_who_was_there_before_the_term_and_never_comes_is_given_up(play: Play) -> None:
    """Once it has been listened for as long as a silence may last."""
    play.mill.stillborn = True
    play.mill.start(1, 0)
    play.mill.now += 10 * MIN_LOST_SECONDS
    await play.turns(int(END_SECONDS) - 1)
    assert play.mill.ends == []
    await play.turns(3)
    assert play.mill.ends == [(1, False)]


class Nobody:
    """A fleet of nobody whose supervisor does not answer."""

    def list(self, token: int) -> Sequence[Member]:
        raise Unavailable("no supervisor")

    def start(self, count: int, token: int) -> None:
        raise AssertionError

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        raise AssertionError


class Asked:
    """A balancer that has nobody, and counts how often it was asked."""

    def __init__(self) -> None:
        self.times = 0

    async def members(self) -> list[Server]:
        self.times += 1
        return []

    async def add(self, place: Place) -> None: ...
    async def drain(self, place: Place) -> None: ...
    async def remove(self, place: Place) -> None: ...


async def test_a_fleet_that_does_not_answer_holds_up_nobody_else(play: Play) -> None:
    """The other fleet and the balancer are kept all the same, and it is said once."""
    asked = Asked()
    leader = play.another("c3", Nobody(), play.mill, Nobody(), rotation=Rotation(asked))
    await play.turns(10, leader)
    assert (len(play.pids), asked.times) == (1, 10)
    assert len(play.said("fleet.away")) == 2


async def test_a_fleet_that_was_away_is_kept_again_as_it_is_then(play: Play) -> None:
    """While it is not seen nothing is ordered, and an end meanwhile is seen afterwards."""
    await play.turns(10)
    (pid,) = play.pids
    play.mill.fleet_away = True
    play.mill.end(pid)
    await play.turns(3)
    assert (play.pids, play.said("node.dead")) == ([], [])
    play.mill.fleet_away = False
    await play.turns(1)
    assert len(play.pids) == 1
    assert "has ended" in str(play.said("node.dead")[0]["why"])
    play.mill.fleet_away = True
    await play.turns(2)
    assert len(play.said("fleet.away")) == 2


async def test_a_leader_asks_three_times_a_lease(play: Play) -> None:
    """Often enough that two answers may be lost, and no oftener: it costs a commit."""
    await play.turns(int(10 * LEAD_SECONDS))
    assert play.mill.asked == 30
    assert len(play.said("controller.leads")) == 1


async def test_one_of_two_leads_and_the_other_takes_over_within_a_lease(play: Play) -> None:
    """The second gives no order until the first has been silent for a lease."""
    first, second = play.controller, play.another("c2")
    await play.turns(10, first, second)
    assert (first.leads, second.leads, len(play.pids)) == (True, False, 1)
    play.mill.queued = 2000
    await play.turns(int(LEAD_SECONDS) + 1, second)
    assert second.leads
    await play.turns(3, second)
    assert len(play.pids) == 4


async def test_a_leader_that_slept_past_its_lease_gives_no_order(play: Play) -> None:
    """It had looked before it was stopped: when it wakes, its lease is over."""
    await play.turns(10)
    play.mill.queued = 2000
    look = play.controller.look()
    assert look is not None
    play.mill.now += LEAD_SECONDS
    await play.controller.act(look)
    assert len(play.pids) == 1
    assert not play.controller.leads


async def test_an_order_of_a_replaced_leader_is_refused_by_the_fleet(play: Play) -> None:
    """Even one whose clock is wrong: its token is older than one that was seen."""
    first, second = play.controller, play.another("c2")
    await play.turns(10, first)
    play.mill.queued = 2000
    look = first.look()
    assert look is not None
    play.mill.queued = 0
    play.mill.now += LEAD_SECONDS
    await play.turns(1, second)
    play.mill.fence.admits(play.mill.token)  # as by any order of the second
    play.mill.now -= LEAD_SECONDS
    await first.act(look)
    assert play.said("controller.grows")[-1]["to"] == 4
    assert len(play.pids) == 1
    await play.turns(1, first)
    assert "controller.replaced" in [name for name, _ in play.events]


async def test_a_new_term_begins_with_an_empty_memory(play: Play) -> None:
    """What it saw in an earlier term says nothing of the time between: it watches for a whole
    cool-down before it takes anything away."""
    first, second = play.controller, play.another("c2")
    play.mill.queued = 2000
    await play.turns(10, first)
    play.mill.queued, play.mill.done_seconds = 0, 2000
    await play.turns(int(COOL_DOWN_SECONDS) - 2, first)
    await play.turns(int(LEAD_SECONDS) + 1, second)
    second.stand_down()
    await play.turns(int(COOL_DOWN_SECONDS) - 2, first)
    assert (first.leads, len(play.pids)) == (True, 4)
    await play.turns(150, first)
    assert len(play.pids) == 1


async def test_without_a_service_it_holds_still(play: Play) -> None:
    """What cannot be seen is not acted upon, and that is said once."""
    await play.turns(10)
    play.mill.away = True
    await play.turns(60)
    assert (len(play.pids), play.mill.ends) == (1, [])
    assert len(play.said("controller.blind")) == 1
    play.mill.away = False
    await play.turns(10)
    assert (len(play.pids), play.mill.ends) == (1, [])


async def test_a_mass_silence_orders_nobody(play: Play) -> None:
    """All four fall silent and the fleet still lists them: it waits, and says why. The store has
    forgotten them long before it believes it."""
    play.mill.queued = 2000
    await play.turns(15)
    assert len(play.pids) == 4
    play.mill.silent.update(play.pids)
    await play.turns(40)
    assert (len(play.pids), play.mill.ends) == (4, [])
    assert [str(one["why"])[:6] for one in play.said("controller.holds_still")] == ["4 of 4"]
    await play.turns(40)
    assert len([drain for _, drain in play.mill.ends if not drain]) == 4


async def test_standing_down_lets_the_next_one_lead_at_once(play: Play) -> None:
    """A controller that drains does not make others wait for its lease."""
    second = play.another("c2")
    await play.turns(5, play.controller, second)
    play.controller.stand_down()
    await play.turns(1, second)
    assert second.leads


async def test_it_beats_with_its_load_and_its_term_while_it_leads(play: Play) -> None:
    """Who leads is seen by everybody who lists the nodes, and that a term is over as well."""
    second = play.another("c2")
    await play.turns(3, play.controller, second)
    said = {node.incarnation: node for node in play.mill.beaten}
    assert {name: node.leads for name, node in said.items()} == {"c1": play.mill.token, "c2": 0}
    assert {node.load for node in said.values()} == {LOAD}
    play.controller.stand_down()
    assert (play.mill.beaten[-1].leads, play.mill.beaten[-1].draining) == (0, True)


async def test_a_term_that_was_lost_is_not_beaten(play: Play) -> None:
    """Stopped for longer than its lease, it does not claim to lead when another does."""
    first, second = play.controller, play.another("c2")
    await play.turns(3, first)
    assert play.mill.beaten[-1].leads == play.mill.token
    play.mill.now += LEAD_SECONDS + 1
    await play.turns(1, second)
    first.look()
    assert (play.mill.beaten[-1].incarnation, play.mill.beaten[-1].leads) == ("c1", 0)
