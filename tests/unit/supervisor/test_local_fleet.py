"""The fleet of this machine, over real processes that do nothing but live and end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable

import pytest
import pytest_asyncio

from workmill.controller.fleet import Fence, Member
from workmill.supervisor import deaths, local_fleet, restart_delay
from workmill.supervisor.local_fleet import LocalFleet
from workmill.supervisor.processes import Command, LocalProcesses

WAITING = "import signal; signal.sigwait({signal.SIGTERM})"
BLOCKED = "import signal; signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}); "
OBEDIENT = Command("worker", (sys.executable, "-c", BLOCKED + WAITING))
STUBBORN = Command("worker", (sys.executable, "-c", BLOCKED + "import time; time.sleep(600)"))
DYING = Command("worker", (sys.executable, "-c", "raise SystemExit(7)"))


class Stage:
    """A fleet, its processes, and a clock that the test moves."""

    def __init__(self) -> None:
        self.processes = LocalProcesses()
        self.now = 100.0

    def fleet(self, command: Command, *, floor: int = 0) -> LocalFleet:
        return LocalFleet(self.processes, lambda _: command, floor=floor, ticks=lambda: self.now)

    async def until(self, condition: Callable[[], bool]) -> None:
        while not condition():  # noqa: ASYNC110 - a fleet sends no event
            await asyncio.sleep(0.01)

    async def running(self, fleet: LocalFleet, count: int) -> list[Member]:
        """The members, once so many have a process."""
        await self.until(lambda: sum(bool(one.pid) for one in fleet.list(0)) == count)
        return [*fleet.list(0)]


@pytest_asyncio.fixture
async def stage() -> AsyncIterator[Stage]:
    made = Stage()
    yield made
    await made.processes.kill()


async def test_a_member_is_listed_from_its_order_to_its_end(stage: Stage) -> None:
    """Without a process at first, then with its pid, and older with time."""
    fleet = stage.fleet(OBEDIENT)
    fleet.start(2, token=1)
    assert [one.pid for one in fleet.list(0)] == [0, 0]
    members = await stage.running(fleet, 2)
    assert {one.pid for one in members} == {one.pid for one in stage.processes.list("worker")}
    stage.now += 7
    assert {one.age_seconds for one in fleet.list(0)} == {7.0}
    assert len({one.name for one in members}) == 2


async def test_a_drain_is_asked_for_and_listed_as_such(stage: Stage) -> None:
    """Told to go, it goes; the other one stays."""
    fleet = stage.fleet(OBEDIENT)
    fleet.start(2, token=1)
    first, second = await stage.running(fleet, 2)
    fleet.stop(first, 1, drain=True)
    assert [one.stopping for one in fleet.list(0)] == [True, False]
    await stage.until(lambda: [one.name for one in fleet.list(0)] == [second.name])


async def test_a_drain_that_takes_too_long_is_ended(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By force, after its grace."""
    monkeypatch.setattr(local_fleet, "GRACE_SECONDS", 0.05)
    fleet = stage.fleet(STUBBORN)
    fleet.start(1, token=1)
    (member,) = await stage.running(fleet, 1)
    fleet.stop(member, 1, drain=True)
    await stage.until(lambda: not fleet.list(0))


async def test_force_is_at_once(stage: Stage) -> None:
    """One that hangs does not listen."""
    fleet = stage.fleet(STUBBORN)
    fleet.start(1, token=1)
    (member,) = await stage.running(fleet, 1)
    fleet.stop(member, 1, drain=False)
    await stage.until(lambda: not fleet.list(0))


async def test_one_that_is_not_there_yet_can_be_told_to_go(stage: Stage) -> None:
    """It ends as soon as it has begun, and an order to stop what is gone does no harm."""
    fleet = stage.fleet(OBEDIENT)
    fleet.start(1, token=1)
    (member,) = fleet.list(0)
    fleet.stop(member, 1, drain=True)
    await stage.until(lambda: not fleet.list(0))
    fleet.stop(member, 1, drain=True)


async def test_an_order_with_an_older_token_is_refused(stage: Stage) -> None:
    """Its leader was replaced: nothing comes and nobody goes."""
    fleet = stage.fleet(OBEDIENT)
    fleet.start(1, token=5)
    (member,) = await stage.running(fleet, 1)
    fleet.start(3, token=4)
    fleet.stop(member, 4, drain=False)
    assert [one.stopping for one in fleet.list(0)] == [False]


async def test_workers_that_die_young_are_not_started_before_their_time(stage: Stage) -> None:
    """However often they are ordered; and they are when the time has come."""
    fleet = stage.fleet(DYING)
    fleet.start(1, token=1)
    await stage.until(lambda: not fleet.list(0))
    fleet.start(1, token=1)
    assert fleet.list(0) == []
    stage.now += 10
    fleet.start(1, token=1)
    assert len(fleet.list(0)) == 1
    await stage.until(lambda: not fleet.list(0))


async def test_a_death_is_told_and_an_ordered_end_is_not(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the supervisor drains after `close` has not died either."""
    told: list[str] = []
    monkeypatch.setattr(deaths, "emit", lambda event, **_: told.append(event))
    fleet = stage.fleet(OBEDIENT)
    fleet.start(3, token=1)
    first, second, third = await stage.running(fleet, 3)
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    await stage.until(lambda: len(fleet.list(0)) == 2)
    assert told == ["process.died"]
    fleet.stop(second, 1, drain=True)
    await stage.until(lambda: len(fleet.list(0)) == 1)
    fleet.close()
    assert third.pid
    os.kill(third.pid, signal.SIGTERM)
    await stage.until(lambda: not fleet.list(0))
    assert told == ["process.died"]


async def test_a_machine_that_cannot_start_one_counts_it_as_dead(stage: Stage) -> None:
    """The controller goes on, and orders again in its time."""
    fleet = stage.fleet(Command("worker", ("/nowhere/python",)))
    fleet.start(1, token=1)
    await stage.until(lambda: not fleet.list(0))


async def test_numbers_are_given_lowest_first_and_again(stage: Stage) -> None:
    """A port goes with a number: it is one member's alone, and free again after it."""
    given: list[int] = []

    def command(number: int) -> Command:
        given.append(number)
        return OBEDIENT

    fleet = LocalFleet(stage.processes, command)
    fleet.start(3, token=1)
    first, *_ = await stage.running(fleet, 3)
    fleet.stop(first, 1, drain=True)
    await stage.until(lambda: len(fleet.list(1)) == 2)
    fleet.start(2, token=1)
    await stage.running(fleet, 4)
    assert given == [1, 2, 3, 1, 4]


async def test_a_floor_is_kept_whatever_is_ordered(stage: Stage) -> None:
    """Nobody has to order what must be there; what dies beyond it is the controller's business."""
    fleet = stage.fleet(OBEDIENT, floor=1)
    fleet.start(2, token=1)
    first, second = await stage.running(fleet, 2)
    assert first.pid
    os.kill(first.pid, signal.SIGKILL)
    await stage.until(lambda: len(fleet.list(1)) == 1)
    (left,) = fleet.list(1)
    assert left.name == second.name
    assert second.pid
    os.kill(second.pid, signal.SIGKILL)
    await stage.until(lambda: [one.name for one in fleet.list(1)] == ["3"])
    (third,) = await stage.running(fleet, 1)
    fleet.stop(third, 1, drain=True)
    assert [one.stopping for one in fleet.list(1)] == [False]
    fleet.stop(third, 1, drain=False)
    await stage.until(lambda: [one.name for one in fleet.list(1)] == ["4"])


async def test_nothing_follows_what_ends_after_the_close(stage: Stage) -> None:
    """The whole drains: a floor is kept no longer."""
    fleet = stage.fleet(OBEDIENT, floor=1)
    fleet.start(1, token=1)
    (member,) = await stage.running(fleet, 1)
    fleet.close()
    assert member.pid
    os.kill(member.pid, signal.SIGKILL)
    await stage.until(lambda: not fleet.list(1))


async def test_the_floor_too_waits_after_a_death_that_was_early(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot live keeps no core busy with being born."""
    monkeypatch.setattr(restart_delay, "FIRST_DELAY_SECONDS", 600)
    monkeypatch.setattr(restart_delay, "MAX_DELAY_SECONDS", 600)
    given: list[int] = []

    def command(number: int) -> Command:
        given.append(number)
        return DYING

    fleet = LocalFleet(stage.processes, command, floor=1)
    fleet.start(1, token=1)
    await stage.until(lambda: [one.name for one in fleet.list(1)] == ["2"])
    for _ in range(10):
        await asyncio.sleep(0)
    assert given == [1]


async def test_nothing_is_started_for_the_floor_after_the_close(stage: Stage) -> None:
    """The next life of one that died young was waited for, and does not begin any more."""
    given: list[int] = []

    def command(number: int) -> Command:
        given.append(number)
        return DYING

    fleet = LocalFleet(stage.processes, command, floor=1)
    fleet.start(1, token=1)
    await stage.until(lambda: [one.name for one in fleet.list(1)] == ["2"])
    fleet.close()
    await stage.until(lambda: not fleet.list(1))
    assert given == [1]


async def test_a_look_with_a_newer_token_fences_the_leader_before(stage: Stage) -> None:
    """It has ordered nothing yet: the old one's orders are refused all the same, by every fleet
    that shares the fence."""
    fence = Fence()
    fleets = [
        LocalFleet(stage.processes, lambda _: OBEDIENT, fence=fence, floor=floor)
        for floor in (0, 1)
    ]
    fleets[0].list(7)
    fleets[1].start(1, token=6)
    assert fleets[1].list(7) == []


async def test_a_held_fleet_takes_no_orders(stage: Stage) -> None:
    """While the supervisor replaces its nodes, no controller changes their number: what it orders
    is not done, and can be ordered again afterwards."""
    fleet = stage.fleet(OBEDIENT)
    fleet.start(1, token=1)
    (member,) = await stage.running(fleet, 1)
    with fleet.held():
        fleet.start(3, token=2)
        fleet.stop(member, 2, drain=False)
        assert [one.stopping for one in fleet.list(0)] == [False]
        number = fleet.add()
        assert number == 2
        await stage.until(lambda: fleet.pid(number) is not None)
        assert fleet.numbers() == [1, 2]
        assert await fleet.drain(1)
        assert fleet.numbers() == [2]
    fleet.start(1, token=2)
    await stage.running(fleet, 2)


async def test_a_machine_that_is_renamed_keeps_those_who_bear_its_old_name(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They go on beating under it: under another one they would be taken for lost, and ended."""
    fleet = stage.fleet(OBEDIENT)
    monkeypatch.setattr(socket, "gethostname", lambda: "before")
    fleet.start(1, token=1)
    await stage.running(fleet, 1)
    monkeypatch.setattr(socket, "gethostname", lambda: "after")
    fleet.start(1, token=1)
    assert [one.host for one in await stage.running(fleet, 2)] == ["before", "after"]
