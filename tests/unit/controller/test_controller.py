"""The controller's turns, on a service and a fleet that are only told about."""

from __future__ import annotations

import pytest
from tests.unit.controller.controller_sim import COOL_DOWN_SECONDS, LOAD, START_SECONDS, Play

from workmill.controller.controller import OVER_SECONDS
from workmill.controller.fleet_keeper import MIN_LOST_SECONDS
from workmill.controller.health import DEAD_SECONDS
from workmill.controller.node_roster import END_SECONDS
from workmill.domain.limits import LEAD_SECONDS, READING_SECONDS


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
    assert len(play.said("controller.sees")) == 1
    assert (len(play.pids), play.mill.ends) == (1, [])


async def test_old_figures_order_nothing(play: Play) -> None:
    """A backlog as it was does not tell how many workers are needed now."""
    await play.turns(10)
    play.mill.queued, play.mill.age_seconds = 2000, READING_SECONDS + 0.1
    await play.turns(30)
    assert (len(play.pids), play.mill.ends) == (1, [])
    assert len(play.said("controller.blind")) == 1
    play.mill.age_seconds = 0.0
    await play.turns(3)
    assert len(play.pids) == 4


async def test_a_look_that_has_grown_old_is_not_acted_upon(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The process was stopped between its two halves, and its lease is not over yet."""
    monkeypatch.setattr("workmill.controller.controller.READING_SECONDS", 1.0)
    await play.turns(10)
    play.mill.queued = 2000
    look = play.controller.look()
    assert look is not None
    play.mill.now += 1.1
    assert play.controller.leads
    await play.controller.act(look)
    assert len(play.pids) == 1


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


async def test_a_lease_counts_from_before_it_was_asked_for(play: Play) -> None:
    """The answer may have been long on its way: the store has counted since."""
    play.mill.answer_seconds = LEAD_SECONDS / 2
    await play.turns(1)
    assert play.controller.leads
    play.mill.now += LEAD_SECONDS / 2
    assert not play.controller.leads


async def test_who_waits_asks_when_the_term_is_over(play: Play) -> None:
    """Neither sooner than every second, nor later than the end of the leader's lease; and it beats
    no more often than whoever leads."""
    second = play.another("c2")
    await play.turns(1, play.controller, second)
    play.mill.beaten.clear()
    began, until = play.mill.now, play.mill.until
    while not second.leads:
        assert second.pause_seconds <= 1.0
        play.mill.now += second.pause_seconds
        second.look()
    assert until <= play.mill.now <= until + 2 * OVER_SECONDS
    assert len(play.mill.beaten) <= play.mill.now - began + 1
    play.mill.away = True
    play.mill.now += LEAD_SECONDS
    second.look()
    assert second.pause_seconds == 1.0


@pytest.mark.parametrize("left_seconds", [-1e300, -5.0, 0.0, 1e300])
async def test_what_is_left_of_a_term_is_believed_within_bounds(
    play: Play, left_seconds: float
) -> None:
    """Whatever the store's answer says: the next turn is neither at once nor later than usual."""
    second = play.another("c2")
    await play.turns(1, play.controller, second)
    second._term.left_seconds = left_seconds
    assert OVER_SECONDS <= second.pause_seconds <= 1.0
