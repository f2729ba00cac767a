"""What a keeper makes of a fleet that it hears nothing of, or that does not answer."""

from __future__ import annotations

import pytest
from tests.unit.controller.controller_sim import START_SECONDS, Mill, Play

from workmill.controller.balancer import Member as Server
from workmill.controller.balancer import Place
from workmill.controller.balancer_membership import Rotation
from workmill.controller.fleet_keeper import MIN_LOST_SECONDS, Keeper
from workmill.controller.health import Health, Watched
from workmill.controller.node_roster import END_SECONDS
from workmill.controller.policy_adapters import Look, WorkerPolicy
from workmill.controller.worker_scaling import Limits
from workmill.domain.limits import LEAD_SECONDS


@pytest.fixture
def play(monkeypatch: pytest.MonkeyPatch) -> Play:
    return Play(monkeypatch)


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
    nobody = Mill()
    nobody.fleet_away = True
    leader = play.another("c3", nobody, play.mill, nobody, rotation=Rotation(asked))
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


async def test_a_balancer_is_told_nothing_once_the_lease_is_over(play: Play) -> None:
    """The fleet took so long to answer: another one may lead."""
    asked = Asked()
    leader = play.another("c3", rotation=Rotation(asked))
    play.mill.list_seconds = LEAD_SECONDS
    await play.turns(1, leader)
    assert asked.times == 0


async def test_a_new_term_begins_for_the_rotation_as_well(play: Play) -> None:
    """It does not know everybody yet."""
    begun: list[float] = []

    class Noted(Rotation):
        def begin(self) -> None:
            begun.append(play.mill.now)
            super().begin()

    leader = play.another("c3", rotation=Noted(Asked()))
    await play.turns(3, leader)
    before = len(begun)
    play.mill.now += LEAD_SECONDS
    await play.turns(3, leader)
    assert len(begun) == before + 1


def test_who_was_told_to_go_is_remembered_no_longer_than_the_node_is() -> None:
    """A leader that leads for months forgets all that have left."""
    mill = Mill()
    keeper = Keeper(mill, WorkerPolicy(Limits(min_workers=0, max_workers=1, cool_down_seconds=5)))
    mill.start(1, 1)
    mill.beats[1] = mill.now
    (node,) = mill.nodes()
    for _ in range(10):
        mill.now += 1
        keeper.look(1)
        look = Look(at_seconds=mill.now, stats=mill.stats(), nodes=[node])
        keeper.tend(look, [Watched(node=node, steady_seconds=1.0)], 1)
    assert mill.ends == [(1, True)]
    keeper.tend(look, [], 1)
    assert not keeper.expects_end_of(node.incarnation)


async def test_the_ghosts_of_killed_nodes_send_nobody_away(play: Play) -> None:
    """All were killed, and so was the leader: the store lists them for a while yet. The next leader
    sees them and those who took their places, and takes away none of these."""
    play.mill.queued = 2000
    await play.turns(15)
    before = play.pids
    assert len(before) == 4
    for pid in before:
        play.mill.end(pid)
    play.mill.start(4, play.mill.token)
    for _ in range(int(START_SECONDS) + 1):
        play.mill.second()
    play.mill.now += LEAD_SECONDS - START_SECONDS
    assert len(play.mill.nodes()) == 8
    play.mill.ends.clear()
    await play.turns(40, play.another("c2"))
    assert (play.mill.ends, len(play.pids)) == ([], 4)


def test_a_start_that_takes_long_by_nature_has_its_patience() -> None:
    """A machine that is ready after 20 s has failed after five times that, not after thirty."""
    mill = Mill()
    keeper = Keeper(mill, WorkerPolicy(Limits(min_workers=1, max_workers=1, start_seconds=20)))
    mill.start(1, 1)
    ended_at = None
    for second in range(120):
        keeper.look(1)
        keeper.tend(Look(at_seconds=mill.now, stats=mill.stats(), nodes=[]), [], 1)
        if mill.ends and ended_at is None:
            ended_at = second
        mill.now += 1
    assert ended_at == 101


def test_one_that_is_being_ended_already_is_not_ended_again() -> None:
    """A machine may take minutes to go: each turn would ask for it."""
    mill = Mill()
    keeper = Keeper(mill, WorkerPolicy(Limits(min_workers=0, max_workers=1)))
    mill.start(1, 1)
    mill.beats[1] = mill.now
    (node,) = mill.nodes()
    dead = Watched(node=node, health=Health.DEAD, silent_seconds=END_SECONDS)
    for _ in range(3):
        keeper.look(1)
        keeper.tend(Look(at_seconds=mill.now, stats=mill.stats(), nodes=[]), [dead], 1)
    assert mill.ends == [(1, False)]


async def test_a_decision_is_said_once_however_long_it_takes(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fleet that is held takes no order; it is given with each turn, and said with the first."""
    orders: list[int] = []
    monkeypatch.setattr(play.mill, "start", lambda count, _token: orders.append(count))
    await play.turns(5)
    assert orders == [1] * 5
    assert len(play.said("controller.grows")) == 1
