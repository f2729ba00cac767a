"""Who is judged healthy, suspect or dead."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.controller.health import (
    DEAD_SECONDS,
    HOLD_SECONDS,
    MAX_FLAPS,
    MEMORY_SECONDS,
    STEADY_SECONDS,
    SUSPECT_SECONDS,
    Act,
    Health,
    Judgement,
    Reading,
    Watch,
    judge,
)
from workmill.domain.job import Node

HEALTHY, SUSPECT, DEAD = Health.HEALTHY, Health.SUSPECT, Health.DEAD
HOUR_MS = 3_600_000


class Scene:
    """Nodes that beat or not, and an observer who looks every second."""

    def __init__(self, *names: str) -> None:
        self.watch = Watch()
        self.at_seconds = 1000.0
        self.store_ms = 5 * HOUR_MS
        self._nodes = {name: _node(name) for name in names}
        self.acts: list[tuple[str, Act]] = []
        self.look(names)

    def look(
        self, beating: Iterable[str], *, seconds: float = 1.0, gone: Iterable[str] = ()
    ) -> Judgement:
        """Time passes, these beat, and the observer looks."""
        self.at_seconds += seconds
        self.store_ms += round(seconds * 1000)
        for name in beating:
            known = self._nodes.get(name, _node(name))
            self._nodes[name] = msgspec.structs.replace(known, seen_at_ms=self.store_ms)
        reading = Reading(
            at_seconds=self.at_seconds, nodes=list(self._nodes.values()), gone=frozenset(gone)
        )
        judgement = judge(self.watch, reading)
        self.watch = judgement.watch
        self.acts += [(one.node.incarnation, one.act) for one in judgement.remedies]
        return judgement

    def pass_by(self, seconds: float, beating: Iterable[str] = ()) -> Judgement:
        """As many looks as seconds."""
        names = list(beating)
        for _ in range(int(seconds)):
            judgement = self.look(names)
        return judgement

    def drain(self, name: str) -> None:
        self._nodes[name] = msgspec.structs.replace(self._nodes[name], draining=True)

    def serve(self, name: str) -> None:
        """It is an endpoint."""
        self._nodes[name] = msgspec.structs.replace(
            self._nodes[name], role="endpoint", serves="10.0.0.1:5000"
        )

    def drop(self, name: str) -> None:
        """The store lists it no more."""
        del self._nodes[name]


def _node(name: str) -> Node:
    return Node(incarnation=name, role="worker", host="h", pid=7, version="0")


def verdict(judgement: Judgement, name: str) -> Health:
    return judgement.verdicts[name]


def test_who_beats_is_healthy() -> None:
    """For ever, and nothing is to be done about it."""
    scene = Scene("a", "b", "c")
    assert set(scene.pass_by(600, "abc").verdicts.values()) == {HEALTHY}
    assert scene.acts == []


def test_silence_makes_suspect_then_dead_and_each_is_said_once() -> None:
    """One of three falls silent: wait, then replace."""
    scene = Scene("a", "b", "c")
    assert verdict(scene.pass_by(SUSPECT_SECONDS - 1, "bc"), "a") is HEALTHY
    assert verdict(scene.look("bc"), "a") is SUSPECT
    assert verdict(scene.pass_by(DEAD_SECONDS - SUSPECT_SECONDS - 1, "bc"), "a") is SUSPECT
    assert verdict(scene.look("bc"), "a") is DEAD
    scene.pass_by(60, "bc")
    assert scene.acts == [("a", Act.WAIT), ("a", Act.REPLACE)]


def test_a_single_node_can_die() -> None:
    """One is no mass: a fleet of one is replaced as well."""
    scene = Scene("a")
    assert verdict(scene.pass_by(DEAD_SECONDS), "a") is DEAD


def test_an_end_that_was_seen_needs_no_silence() -> None:
    """The fleet saw the process end: it is replaced at once, and stays dead."""
    scene = Scene("a", "b")
    assert verdict(scene.look("ab", gone="a"), "a") is DEAD
    assert verdict(scene.look("b"), "a") is DEAD
    assert scene.acts == [("a", Act.REPLACE)]


def test_half_of_all_may_die_at_once() -> None:
    """Exactly half is believed: they are replaced within ten seconds."""
    scene = Scene(*"abcdefgh")
    judgement = scene.pass_by(DEAD_SECONDS, "abcd")
    assert [name for name in "abcdefgh" if verdict(judgement, name) is DEAD] == list("efgh")
    assert judgement.doubt is None


def test_in_a_mass_silence_it_holds_still() -> None:
    """More than half at once: nobody is judged dead, and it is said why."""
    scene = Scene(*"abcdefgh")
    judgement = scene.pass_by(HOLD_SECONDS - 1, "abc")
    assert DEAD not in judgement.verdicts.values()
    assert judgement.doubt is not None
    assert "5 of 8" in judgement.doubt
    assert {act for _, act in scene.acts} == {Act.WAIT}
    assert set(scene.pass_by(1, "abcdefgh").verdicts.values()) == {HEALTHY}


def test_endpoints_that_beat_do_not_make_a_mass_silence_small() -> None:
    """They beat straight to the store: when all workers and a controller fall silent, the way to
    the endpoints is in doubt, however many of those are heard."""
    scene = Scene(*"abcdef")
    for name in "def":
        scene.serve(name)
    scene.look("abcdef")
    judgement = scene.pass_by(HOLD_SECONDS / 2, "def")
    assert [verdict(judgement, name) for name in "abc"] == [SUSPECT] * 3
    assert judgement.doubt == "3 of 3 nodes fell silent together: the fault may be on this side"


def test_a_mass_silence_that_does_not_end_is_believed() -> None:
    """Work must go on: after its time the dead are dead."""
    scene = Scene(*"abcdefgh")
    judgement = scene.pass_by(HOLD_SECONDS + DEAD_SECONDS, "abc")
    assert [name for name in "abcdefgh" if verdict(judgement, name) is DEAD] == list("defgh")


def test_an_end_that_was_seen_is_believed_in_a_mass_silence() -> None:
    """Evidence needs no majority."""
    scene = Scene(*"abc")
    judgement = scene.look("", gone="abc")
    assert set(judgement.verdicts.values()) == {DEAD}


def test_an_observer_that_slept_suspects_nobody() -> None:
    """Twenty seconds without a look are not twenty seconds of silence."""
    scene = Scene("a", "b", "c")
    assert set(scene.look("", seconds=20.0).verdicts.values()) == {HEALTHY}
    assert set(scene.look("abc").verdicts.values()) == {HEALTHY}
    assert scene.acts == []


@pytest.mark.parametrize("jump_ms", [HOUR_MS, -HOUR_MS])
def test_a_jump_of_the_stores_clock_kills_nobody(jump_ms: int) -> None:
    """Nor does it keep the dead alive."""
    scene = Scene("a", "b", "c")
    scene.store_ms += jump_ms
    assert set(scene.look("ab").verdicts.values()) == {HEALTHY}
    judgement = scene.pass_by(DEAD_SECONDS, "ab")
    assert judgement.verdicts == {"a": HEALTHY, "b": HEALTHY, "c": DEAD}


def test_a_jump_that_empties_the_list_kills_nobody() -> None:
    """The store forgets everybody for a moment: they are back with their next beats."""
    scene = Scene("a", "b", "c")
    for name in "abc":
        scene.drop(name)
    assert set(scene.look("").verdicts.values()) == {HEALTHY}
    assert set(scene.look("abc").verdicts.values()) == {HEALTHY}


def test_an_observers_clock_that_runs_back_changes_nothing() -> None:
    """Monotonic clocks do not, but a wrong one must not make silence."""
    scene = Scene("a", "b", "c")
    scene.at_seconds -= 500
    assert set(scene.look("ab", seconds=0.0).verdicts.values()) == {HEALTHY}


def test_a_short_silence_is_forgiven_at_once() -> None:
    """Suspect, and healthy with the next beat."""
    scene = Scene("a", "b", "c")
    scene.pass_by(SUSPECT_SECONDS, "bc")
    assert verdict(scene.look("abc"), "a") is HEALTHY
    assert scene.acts == [("a", Act.WAIT), ("a", Act.TRUST)]


def test_who_comes_back_from_the_dead_has_to_be_steady_first() -> None:
    """It was replaced meanwhile; it is not trusted with its first beat."""
    scene = Scene("a", "b", "c")
    scene.pass_by(DEAD_SECONDS, "bc")
    assert verdict(scene.look("abc"), "a") is SUSPECT
    assert verdict(scene.pass_by(STEADY_SECONDS - 1, "abc"), "a") is SUSPECT
    assert verdict(scene.look("abc"), "a") is HEALTHY
    assert [act for _, act in scene.acts] == [Act.WAIT, Act.REPLACE, Act.WAIT, Act.TRUST]


def test_who_flaps_is_not_trusted_with_each_beat() -> None:
    """In and out of service no more than so often, until it has been steady."""
    scene = Scene("a", "b", "c")
    for _ in range(10):
        scene.pass_by(SUSPECT_SECONDS, "bc")
        scene.pass_by(2, "abc")
    assert scene.acts.count(("a", Act.TRUST)) == MAX_FLAPS - 1
    assert verdict(scene.pass_by(STEADY_SECONDS, "abc"), "a") is HEALTHY


def test_who_drains_and_leaves_is_not_replaced() -> None:
    """That it falls silent is what was wanted of it."""
    scene = Scene("a", "b", "c")
    scene.drain("a")
    scene.look("abc")
    scene.pass_by(DEAD_SECONDS, "bc")
    assert scene.acts == [("a", Act.WAIT), ("a", Act.FORGET)]


def test_a_drain_of_most_is_no_mass_silence() -> None:
    """Those who were told to go do not count among those who should be heard."""
    scene = Scene(*"abcde")
    for name in "abc":
        scene.drain(name)
    scene.look("abcde")
    judgement = scene.pass_by(DEAD_SECONDS, "d")
    assert judgement.doubt is None
    assert verdict(judgement, "e") is DEAD


def test_a_new_leader_counts_from_its_own_first_look() -> None:
    """What it has not watched it does not judge; then it judges as any other."""
    scene = Scene("a", "b", "c")
    scene.pass_by(DEAD_SECONDS - 1, "bc")
    scene.watch = Watch()
    assert verdict(scene.look("bc"), "a") is HEALTHY
    assert verdict(scene.pass_by(DEAD_SECONDS, "bc"), "a") is DEAD


def test_the_dead_are_forgotten_in_the_end() -> None:
    """Memory is bounded by time."""
    scene = Scene("a", "b", "c")
    scene.pass_by(DEAD_SECONDS, "bc")
    scene.drop("a")
    scene.pass_by(MEMORY_SECONDS, "bc")
    assert set(scene.watch.nodes) == {"b", "c"}


BEATS = st.lists(
    st.tuples(st.sets(st.sampled_from("abcdef")), st.floats(0, 30)), min_size=1, max_size=40
)


@given(BEATS)
def test_nobody_is_dead_who_beat_a_moment_ago(beats: list[tuple[set[str], float]]) -> None:
    """Whatever the pattern: no verdict of death with a beat, none within the bound after one."""
    scene = Scene(*"abcdef")
    watched: Mapping[str, float] = dict.fromkeys("abcdef", 0.0)
    for beating, seconds in beats:
        judgement = scene.look(beating, seconds=seconds)
        watched = {
            name: 0.0 if name in beating and seconds >= 0.001 else watched[name] + seconds
            for name in watched
        }
        young = [name for name, silent in watched.items() if silent < DEAD_SECONDS]
        assert all(judgement.verdicts.get(name) is not DEAD for name in young)


@given(BEATS)
def test_every_change_is_said_once_and_in_words(beats: list[tuple[set[str], float]]) -> None:
    """Remedies are the changes of the verdicts, no more and no less."""
    scene = Scene(*"abcdef")
    before: Mapping[str, Health] = {}
    for beating, seconds in beats:
        judgement = scene.look(beating, seconds=seconds)
        changed = {
            name
            for name, health in judgement.verdicts.items()
            if health is not before.get(name, HEALTHY)
        }
        assert changed == {one.node.incarnation for one in judgement.remedies}
        assert all(one.why.startswith("worker h:7 ") for one in judgement.remedies)
        before = judgement.verdicts
