"""Who belongs to the balancer: what it is told by what the beats say."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.controller.controller_sim import Play

from workmill.controller import balancer_membership as module
from workmill.controller.balancer import Member, Place, Standing
from workmill.controller.balancer_membership import STRANGER_SECONDS, Rotation, changes, place_of
from workmill.controller.health import Health, Watched
from workmill.domain.errors import InvalidInput, Unavailable
from workmill.domain.job import Node
from workmill.telemetry import outage_log

HERE, THERE = Place("10.0.0.1", 5000), Place("10.0.0.2", 5000)


def beat(
    place: Place | str,
    health: Health = Health.HEALTHY,
    *,
    draining: bool = False,
    role: str = "endpoint",
    incarnation: str = "i",
) -> Watched:
    serves = place if isinstance(place, str) else f"{place.host}:{place.port}"
    node = Node(
        incarnation=incarnation,
        role=role,
        host="h",
        pid=1,
        version="0",
        serves=serves,
        draining=draining,
    )
    return Watched(node=node, health=health)


def member(place: Place, standing: Standing = "serving") -> Member:
    return Member(place, standing, 0, 0)


def told(
    watched: list[Watched], members: list[Member], strangers: frozenset[Place] = frozenset()
) -> list[tuple[str, Place]]:
    return [(change.verb, change.place) for change in changes(watched, members, strangers)]


def test_who_beats_comes_in_and_stays() -> None:
    """Whatever its checks say now: the balancer judges those by itself."""
    assert told([beat(HERE), beat(THERE)], [member(HERE, "out")]) == [("add", THERE)]
    assert told([beat(HERE, Health.SUSPECT)], [member(HERE)]) == []


def test_only_endpoints_that_say_where_they_serve_count() -> None:
    """A worker serves nothing, and words that are no address are nowhere."""
    others = [beat(HERE, role="worker"), beat(""), beat("nonsense"), beat("h:x"), beat("h:")]
    assert told(others, []) == []
    assert place_of("[::1]:5000") == Place("::1", 5000)


def test_who_drains_gets_nothing_new_and_may_come_back() -> None:
    """Once it is told so; a process that starts at the same address is taken back in."""
    assert told([beat(HERE, draining=True)], [member(HERE)]) == [("drain", HERE)]
    assert told([beat(HERE, draining=True)], [member(HERE, "draining")]) == []
    again = [beat(HERE, draining=True), beat(HERE, incarnation="j")]
    assert told(again, [member(HERE, "draining")]) == [("add", HERE)]


def test_the_dead_are_removed_unless_they_answer() -> None:
    """Their callers are let go. Whom the balancer finds ready is left where it is."""
    dead = beat(HERE, Health.DEAD)
    assert told([dead], [member(HERE, "out")]) == [("remove", HERE)]
    assert told([dead], [member(HERE)]) == []
    assert told([dead, beat(HERE, incarnation="j")], [member(HERE, "out")]) == []


def test_strangers_are_removed_when_nobody_has_told_of_them_for_long() -> None:
    """Unless they answer."""
    assert told([], [member(HERE, "out")], frozenset({HERE})) == [("remove", HERE)]
    assert told([], [member(HERE, "out")]) == []
    assert told([], [member(HERE)], frozenset({HERE})) == []


PLACES = [Place("10.0.0.1", port) for port in range(5000, 5004)]
WATCHED = st.lists(
    st.builds(
        lambda place, health, draining, n: beat(
            place, health, draining=draining, incarnation=str(n)
        ),
        st.sampled_from(PLACES),
        st.sampled_from(Health),
        st.booleans(),
        st.integers(),
    )
)
STANDINGS: list[Standing] = ["serving", "out", "draining"]
MEMBERS = st.dictionaries(st.sampled_from(PLACES), st.sampled_from(STANDINGS))


@given(WATCHED, MEMBERS)
def test_once_told_there_is_nothing_more_to_tell(
    watched: list[Watched], standings: dict[Place, Standing]
) -> None:
    """Each place is told one thing at most, and when it is done the next turn says nothing."""
    first = changes(watched, [member(*one) for one in standings.items()], frozenset())
    assert len({change.place for change in first}) == len(first)
    for verb, place, _ in first:
        if verb == "remove":
            del standings[place]
        else:
            standings[place] = "out" if verb == "add" else "draining"
    assert changes(watched, [member(*one) for one in standings.items()], frozenset()) == []


class Door:
    """A balancer that does what it is told, while it answers."""

    def __init__(self, slots: int = 64) -> None:
        self.standings: dict[Place, Standing] = {}
        self.slots = slots
        self.away = self.hangs = False

    async def members(self) -> list[Member]:
        if self.away:
            raise Unavailable("nobody there")
        if self.hangs:
            await asyncio.Event().wait()
        return [member(*one) for one in self.standings.items()]

    async def add(self, place: Place) -> None:
        if len(self.standings) >= self.slots:
            raise Unavailable("all slots are taken")
        if not place.host[0].isdigit():
            raise InvalidInput("no IP address")
        self.standings[place] = "out"

    async def drain(self, place: Place) -> None:
        self.standings[place] = "draining"

    async def remove(self, place: Place) -> None:
        del self.standings[place]


async def test_a_balancer_that_forgot_everything_is_filled_within_a_turn() -> None:
    """It was started anew: whoever beats comes in again."""
    door, watched = Door(), [beat(HERE), beat(THERE)]
    rotation = Rotation(door)
    await rotation.turn(watched, 1.0)
    door.standings.clear()
    await rotation.turn(watched, 2.0)
    assert door.standings == {HERE: "out", THERE: "out"}


async def test_a_stranger_has_its_time_and_a_new_term_counts_anew() -> None:
    """A leader that has just begun does not know everybody yet."""
    door = Door()
    rotation = Rotation(door)
    door.standings[THERE] = "out"
    await rotation.turn([], 0.0)
    await rotation.turn([], STRANGER_SECONDS - 1)
    rotation.begin()
    await rotation.turn([], STRANGER_SECONDS)
    assert door.standings == {THERE: "out"}
    await rotation.turn([], 2 * STRANGER_SECONDS)
    assert door.standings == {}


async def test_a_balancer_that_is_away_is_told_of_once_and_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The controller's turn goes on without it."""
    said: list[str] = []
    for room in (module, outage_log):
        monkeypatch.setattr(room, "emit", lambda event, **_: said.append(event))
    door = Door()
    rotation, door.away = Rotation(door), True
    await rotation.turn([beat(HERE)], 1.0)
    await rotation.turn([beat(HERE)], 2.0)
    assert said == ["balancer.away"]
    door.away = False
    await rotation.turn([beat(HERE)], 3.0)
    assert door.standings == {HERE: "out"}
    assert said == ["balancer.away", "balancer.add", "balancer.answers"]


async def test_one_that_hangs_is_away_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It holds up no lease, and is told of once."""
    said: list[str] = []
    for room in (module, outage_log):
        monkeypatch.setattr(room, "emit", lambda event, **_: said.append(event))
    monkeypatch.setattr(module, "TURN_SECONDS", 0.01)
    door = Door()
    rotation, door.hangs = Rotation(door), True
    await rotation.turn([beat(HERE)], 1.0)
    await rotation.turn([beat(HERE)], 2.0)
    assert said == ["balancer.away"]


async def test_a_full_balancer_gives_the_places_of_the_dead_to_the_living() -> None:
    """It would refuse the new ones for ever if those were told first."""
    door = Door(slots=1)
    door.standings[HERE] = "out"
    await Rotation(door).turn([beat(HERE, Health.DEAD), beat(THERE)], 1.0)
    assert door.standings == {THERE: "out"}


async def test_one_that_is_refused_keeps_no_other_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each is told by itself; that one was refused is said once."""
    said: list[str] = []
    for room in (module, outage_log):
        monkeypatch.setattr(room, "emit", lambda event, **_: said.append(event))
    door = Door()
    rotation, watched = Rotation(door), [beat("!:5000"), beat(HERE)]
    await rotation.turn(watched, 1.0)
    assert door.standings == {HERE: "out"}
    await rotation.turn(watched, 2.0)
    assert said == ["balancer.add", "balancer.away"]


async def test_a_balancer_of_ones_own_is_told_while_another_controller_leads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of two machines with a balancer has a controller; one leads and alone orders workers,
    both balancers know who beats. One that several controllers share is the leader's to tell."""
    play = Play(monkeypatch)
    doors = [Door(), Door(), Door()]
    ours, mine, shared = (
        play.another(name, rotation=Rotation(door), own_balancer=own)
        for name, door, own in zip("abc", doors, (True, True, False), strict=True)
    )
    play.mill.served = [beat(HERE).node]
    await play.turns(5, ours, mine, shared)
    assert (ours.leads, mine.leads, shared.leads) == (True, False, False)
    assert [door.standings for door in doors] == [{HERE: "out"}, {HERE: "out"}, {}]
    assert len(play.pids) == 1
