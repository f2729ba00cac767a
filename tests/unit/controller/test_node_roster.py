"""How a look becomes a reading, and who should go."""

from __future__ import annotations

from workmill.controller.fleet import Member
from workmill.controller.health import Health, Watched
from workmill.controller.node_roster import END_SECONDS, Crew, crew_of, spare
from workmill.domain.job import Node


def node(
    pid: int,
    *,
    leased: int = 0,
    role: str = "worker",
    draining: bool = False,
) -> Node:
    return Node(
        incarnation=f"i{pid}",
        role=role,
        host="h",
        pid=pid,
        version="0",
        leased=leased,
        draining=draining,
    )


def member(
    pid: int | None, *, host: str = "h", stopping: bool = False, age_seconds: float = 1.0
) -> Member:
    name = f"m{host}{pid}"
    return Member(name=name, host=host, pid=pid, age_seconds=age_seconds, stopping=stopping)


def crew(
    nodes: list[Node], members: list[Member], dead: tuple[int, ...] = (), silent_seconds: float = 0
) -> Crew:
    watched = [
        Watched(node=one, health=Health.DEAD, silent_seconds=silent_seconds)
        if one.pid in dead
        else Watched(node=one, health=Health.SUSPECT)
        for one in nodes
    ]
    return crew_of("worker", watched, members)


def test_each_is_counted_once_for_what_it_is() -> None:
    """Ready, starting or dead; other roles, and who drains or was told to, are none of these."""
    nodes = [node(1), node(2), node(3, draining=True), node(4), node(9, role="endpoint")]
    members = [member(1), member(2), member(3), member(4, stopping=True), member(0), member(5)]
    found = crew(nodes, members, dead=(2,))
    assert [one.pid for one in found.ready] == [1]
    assert [one.pid for one in found.starting] == [0, 5]
    assert found.unsure == 1
    assert found.given_up == []


def test_a_dead_node_is_given_up_only_after_a_long_silence() -> None:
    """Replaced at once, ended later: what was only stopped comes back by itself."""
    just_dead = crew([node(1), node(2)], [member(1), member(2)], (2,), END_SECONDS - 1)
    assert (len(just_dead.ready), just_dead.starting, just_dead.given_up) == (1, [], [])
    long_dead = crew([node(1), node(2)], [member(1), member(2)], (2,), END_SECONDS)
    assert [one.pid for one in long_dead.given_up] == [2]


def test_a_member_may_have_its_host_for_itself() -> None:
    """Then any worker on that host is it."""
    found = crew([node(77)], [member(None)])
    assert (found.starting, [*found.members]) == ([], ["i77"])


def test_a_worker_of_no_fleet_is_counted_and_left_alone() -> None:
    """Somebody started it by hand."""
    found = crew([node(1), node(2)], [member(2)])
    assert len(found.ready) == 2
    assert [one.pid for one in spare(found, 2)] == [2]


def test_who_has_not_begun_goes_first_then_the_least_busy() -> None:
    """As little work as possible is moved."""
    nodes = [node(1, leased=9), node(2, leased=0), node(3, leased=4)]
    found = crew(nodes, [member(1), member(2), member(3), member(8), member(0)])
    assert [one.pid for one in spare(found, 4)] == [8, 0, 2, 3]


def test_of_those_equally_busy_the_youngest_goes() -> None:
    """An endpoint leases nothing. One that was silent, was replaced and comes back is the older of
    the two, and stays."""
    nodes = [node(1, role="endpoint"), node(2, role="endpoint"), node(3, role="endpoint")]
    members = [member(1, age_seconds=9.0), member(2, age_seconds=1.0), member(3, age_seconds=4.0)]
    found = crew_of("endpoint", [Watched(node=one) for one in nodes], members)
    assert [one.pid for one in spare(found, 2)] == [2, 3]
