"""The controller's fleet on EC2: orders are taken and shown at once, and carried out beside."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any, NoReturn

import pytest
from tests.aws.clouds import Fault, Way
from tests.system.processes import until

from workmill.controller.fleet import Member
from workmill.controller.fleets import ec2
from workmill.controller.fleets.ec2 import EC2Fleet
from workmill.controller.fleets.ec2_machines import EC2Settings, Machines
from workmill.domain.errors import Unavailable

LEADER = 7


class Clock:
    """Stands still until it is told."""

    now_seconds = 0.0

    def __call__(self) -> float:
        return self.now_seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fleet(settings: EC2Settings, clock: Clock) -> Iterator[EC2Fleet]:
    with closing(EC2Fleet(settings, ticks=clock)) as made:
        yield made


def names(fleet: EC2Fleet) -> list[str]:
    return sorted(member.name for member in fleet.list(0))


def working(fleet: EC2Fleet) -> list[Member]:
    return [member for member in fleet.list(0) if not member.stopping]


def settled(fleet: EC2Fleet) -> None:
    """Return when every order so far has been carried out and looked at."""
    fleet._hands.submit(fleet._look_again).result()


def test_an_order_is_shown_before_it_is_carried_out(fleet: EC2Fleet) -> None:
    """Else every turn would order it again; and it keeps its name when its machine is there."""
    fleet.start(3, LEADER)
    ordered = names(fleet)
    assert len(ordered) == 3
    settled(fleet)
    assert names(fleet) == ordered
    hosts = {member.host for member in fleet.list(0)}
    assert len(hosts) == 3
    assert all(host.startswith("i-") for host in hosts)


def test_a_member_knows_its_node(fleet: EC2Fleet) -> None:
    """By its host, which is called by the machine's id and runs one worker."""
    fleet.start(1, LEADER)
    settled(fleet)
    (member,) = fleet.list(0)
    assert member.host.startswith("i-")
    assert member.pid is None


def test_another_controller_finds_the_same_workers(fleet: EC2Fleet, settings: EC2Settings) -> None:
    """Nothing is lost with a leader's memory: the next one lists, and can stop, what it started."""
    fleet.start(2, LEADER)
    settled(fleet)
    with closing(EC2Fleet(settings)) as next_one:
        assert {member.host for member in next_one.list(0)} == {m.host for m in fleet.list(0)}
        next_one.stop(next_one.list(0)[0], LEADER + 1, drain=True)
        settled(next_one)
        assert len(working(next_one)) == 1


def test_stopping_is_shown_at_once(fleet: EC2Fleet) -> None:
    """Also of a worker that was only just ordered, whose machine is then ended as it comes."""
    fleet.start(1, LEADER)
    (member,) = fleet.list(0)
    fleet.stop(member, LEADER, drain=True)
    assert working(fleet) == []
    settled(fleet)
    assert fleet.list(0) == []


def test_a_replaced_leader_is_not_obeyed(fleet: EC2Fleet) -> None:
    """An order with an older token than one that was seen here changes nothing."""
    fleet.start(1, LEADER)
    fleet.start(5, LEADER - 1)
    (member,) = fleet.list(0)
    fleet.stop(member, LEADER - 1, drain=False)
    settled(fleet)
    assert len(working(fleet)) == 1


def test_what_cannot_be_carried_out_is_not_shown_any_more(
    fleet: EC2Fleet, way: Way, clock: Clock
) -> None:
    """The controller sees that nobody came, and orders again with every turn; EC2 is asked again
    after a pause, not every second, or it would throttle the whole account."""
    way.faults.append(Fault("RunInstances", 403, "VcpuLimitExceeded"))
    for _ in range(3):
        fleet.start(2, LEADER)
        settled(fleet)
        assert fleet.list(0) == []
    assert len(way.actions("RunInstances")) == 1
    clock.now_seconds += ec2.PAUSE_SECONDS
    fleet.start(2, LEADER)
    settled(fleet)
    assert len(working(fleet)) == 2


def test_what_was_launched_before_a_refusal_is_kept(
    fleet: EC2Fleet, way: Way, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also while lists lag behind: a machine that is not shown would be ordered once more."""
    monkeypatch.setattr(Machines, "list", lambda _: [])
    launch, refused = Machines._launch, Unavailable("VcpuLimitExceeded")

    def once(machines: Machines, *words: Any) -> Any:
        monkeypatch.setattr(Machines, "_launch", lambda *_: raise_(refused))
        return launch(machines, *words)

    monkeypatch.setattr(Machines, "_launch", once)
    fleet.start(3, LEADER)
    settled(fleet)
    (kept,) = fleet.list(0)
    assert kept.host.startswith("i-")
    assert len(way.actions("RunInstances")) == 1


def raise_(error: Exception) -> NoReturn:
    raise error


def test_a_failed_stop_may_be_ordered_again(fleet: EC2Fleet, way: Way, clock: Clock) -> None:
    """A worker that was not stopped is shown as working; after a pause EC2 is asked again."""
    fleet.start(1, LEADER)
    settled(fleet)
    (member,) = fleet.list(0)
    way.faults.append(Fault("TerminateInstances", 403, "UnauthorizedOperation"))
    for _ in range(3):
        fleet.stop(member, LEADER, drain=True)
        settled(fleet)
        assert len(working(fleet)) == 1
    assert len(way.actions("TerminateInstances")) == 1
    clock.now_seconds += ec2.PAUSE_SECONDS
    fleet.stop(member, LEADER, drain=True)
    settled(fleet)
    assert working(fleet) == []


def test_an_old_look_is_not_shown(fleet: EC2Fleet, way: Way, clock: Clock) -> None:
    """While EC2 does not answer nobody knows what there is; nothing is ordered by how it was."""
    fleet.start(1, LEADER)
    settled(fleet)
    way.faults += [Fault("DescribeInstances", 403, "UnauthorizedOperation")] * 2
    clock.now_seconds += ec2.OLD_SECONDS + 1
    settled(fleet)
    with pytest.raises(Unavailable):
        fleet.list(0)
    way.faults.clear()
    settled(fleet)
    assert len(working(fleet)) == 1


def test_many_are_stopped_in_one_request(fleet: EC2Fleet, way: Way) -> None:
    """A drain of fifty is not fifty times as many requests."""
    fleet.start(3, LEADER)
    settled(fleet)
    going = threading.Event()
    fleet._hands.submit(going.wait, 60)
    for member in fleet.list(0):
        fleet.stop(member, LEADER, drain=True)
    going.set()
    settled(fleet)
    assert working(fleet) == []
    assert len(way.actions("TerminateInstances")) == 1


def test_who_leads_no_more_orders_no_more(settings: EC2Settings, way: Way) -> None:
    """What waits to be carried out is forgotten: the next leader has ordered it already."""
    fleet = EC2Fleet(settings)
    going = threading.Event()
    fleet._hands.submit(going.wait, 60)
    fleet.start(3, LEADER)
    closing_down = threading.Thread(target=fleet.close)
    closing_down.start()
    until(lambda: fleet._hands._shutdown)
    going.set()
    closing_down.join()
    assert way.actions("RunInstances") == []


def test_a_launched_machine_is_shown_while_lists_lag(
    fleet: EC2Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """EC2's own lists may lack it for a while; after that it counts as gone."""
    monkeypatch.setattr(Machines, "list", lambda _: [])
    fleet.start(1, LEADER)
    settled(fleet)
    assert len(working(fleet)) == 1
    monkeypatch.setattr(ec2, "LAG_SECONDS", 0.0)
    settled(fleet)
    assert fleet.list(0) == []


def test_without_a_first_look_there_is_no_fleet(settings: EC2Settings, way: Way) -> None:
    """An empty list would have everything ordered anew: the controller fails to start instead."""
    way.faults.append(Fault("DescribeInstances", 403, "UnauthorizedOperation"))
    with pytest.raises(Unavailable, match="list machines"):
        EC2Fleet(settings)
