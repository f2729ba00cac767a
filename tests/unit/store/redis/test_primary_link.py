"""What the link does about each kind of failure: what it repeats, and what it leaves to others."""

from __future__ import annotations

from collections import deque

import pytest
from tests.unit.store.redis.fakes import (
    R1,
    R2,
    S1,
    S2,
    S3,
    FakeNetwork,
    FakeSentinel,
    FakeServer,
    P,
)

from workmill.domain.errors import StoreDamaged, StoreFull, StoreUnavailable
from workmill.store.redis import primary_discovery, sentinel
from workmill.store.redis import primary_link as link_room
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import Address, Node
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.primary_link import Pace, RedisLink

PACE = Pace(patience_seconds=0.4, wait_seconds=0.01, confirm_seconds=0.2)


class Clock:
    """Goes on by a millisecond at each look and by what is slept, whatever the machine is doing."""

    now = 0.0

    def monotonic(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class Scene:
    """A primary with two replicas under three Sentinels, and one link to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *, level: Level | None = None) -> None:
        self.primary = FakeServer(P, replicas={R1: 100, R2: 100})
        self.replicas = {node: FakeServer(node, leads=False) for node in (R1, R2)}
        both = {R1: "slave", R2: "slave"}
        self.sentinels = [FakeSentinel(node, replicas=dict(both)) for node in (S1, S2, S3)]
        self.network = FakeNetwork(self.primary, *self.replicas.values(), *self.sentinels)
        for room in (primary_discovery, sentinel):
            monkeypatch.setattr(room, "Connection", self.network)
        monkeypatch.setattr(link_room, "time", Clock())
        self.events: list[str] = []
        monkeypatch.setattr(
            "workmill.telemetry.outage_log.emit", lambda event, **_: self.events.append(event)
        )
        self.prepared = 0
        address = Address(nodes=(S1, S2, S3), name="mill")
        self.link = RedisLink(address, "{wa}", level=level, prepare=self._prepare, pace=PACE)

    def _prepare(self, _connection: Connection) -> None:
        self.prepared += 1

    def call(self) -> bytes:
        reply: bytes = self.link.call("add", b"x", writes=True)
        return reply

    def group(self) -> None:
        self.call()
        self.link.confirm()

    def promote(self, node: Node) -> FakeServer:
        """The Sentinels have agreed on another primary, which has taken over the history."""
        promoted = self.replicas[node]
        promoted.leads, promoted.history, promoted.earlier = True, "n" * 40, self.primary.history
        promoted.replicas = {other: 100 for other in (R1, R2, P) if other != node}
        for one in self.sentinels:
            one.primary, one.epoch = node, 2
            one.replicas = {other: "slave" for other in (R1, R2, P) if other != node}
        return promoted


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_a_healthy_group_costs_one_question(scene: Scene) -> None:
    """ROLE, WAIT and INFO go out together, and no Sentinel or replica is asked at all."""
    scene.group()
    scene.network.asked.clear()
    scene.group()
    assert [word for _, word in scene.network.asked] == ["FCALL", "ROLE", "WAIT", "INFO"]
    assert {node for node, _ in scene.network.asked} == {P}
    assert scene.link.history == scene.primary.history


def test_functions_are_prepared_once_for_each_primary(scene: Scene) -> None:
    """And again when a server says that it has none."""
    scene.group()
    scene.group()
    assert scene.prepared == 1
    scene.primary.troubles = deque(["ERR Function not found"])
    assert scene.call() == b"add {wa} x"
    assert scene.prepared == 2


@pytest.mark.parametrize("code", ["NOREPLICAS", "TRYAGAIN", "CLUSTERDOWN", "BUSY", "MISCONF"])
def test_what_passes_is_waited_for(scene: Scene, code: str) -> None:
    """The same server is asked again after a pause, in the midst of a group too."""
    scene.call()
    scene.primary.troubles = deque([code, code])
    assert scene.call() == b"add {wa} x"
    scene.link.confirm()
    assert scene.network.opened.count(P) == 1


@pytest.mark.parametrize("code", ["READONLY", "MASTERDOWN", "LOADING"])
def test_a_demoted_primary_is_left_for_the_new_one(scene: Scene, code: str) -> None:
    """Nothing was carried out, so the call goes to the primary that is found next."""
    scene.group()
    promoted = scene.promote(R1)
    scene.primary.troubles = deque([code])
    scene.group()
    assert promoted.calls == 1
    assert scene.link.history == promoted.history


def test_a_group_is_not_spread_over_two_primaries(scene: Scene) -> None:
    """What was sent before in the same group can no longer be confirmed: all of it is unknown."""
    scene.call()
    promoted = scene.promote(R1)
    scene.primary.troubles = deque(["READONLY"])
    with pytest.raises(StoreUnavailable):
        scene.call()
    assert promoted.calls == 0


def test_a_lost_reply_to_a_write_is_never_repeated(scene: Scene) -> None:
    """It may have been carried out: whoever waits is told so and repeats it under its id."""
    scene.group()
    scene.primary.troubles = deque([Silent("reset", sent=True)])
    with pytest.raises(StoreUnavailable, match="unknown") as caught:
        scene.call()
    assert caught.value.retry_after_seconds
    assert scene.primary.calls == 1


def test_a_lost_reply_to_a_read_is_asked_for_again(scene: Scene) -> None:
    """A read changes nothing."""
    scene.group()
    scene.primary.troubles = deque([Silent("reset", sent=True)])
    assert scene.link.call("get", b"x", writes=False) == b"get {wa} x"


def test_a_connection_that_was_closed_meanwhile_costs_nobody_an_answer(scene: Scene) -> None:
    """A dead primary is noticed before the first call of a group is sent into the void."""
    scene.group()
    scene.primary.down = True
    promoted = scene.promote(R1)
    scene.group()
    assert promoted.calls == 1


def test_a_full_store_says_so_for_what_is_new(scene: Scene) -> None:
    """Not an outage: what brings work back is still taken, over the same connection."""
    scene.primary.troubles = deque(["OOM"])
    with pytest.raises(StoreFull) as caught:
        scene.call()
    assert caught.value.retry_after_seconds
    scene.group()
    assert scene.events == []


@pytest.mark.parametrize("trouble", [Refused("UNBLOCKED", "demoted"), Silent("gone", sent=True)])
def test_a_broken_wait_is_an_unknown_outcome(scene: Scene, trouble: Exception) -> None:
    """The primary was demoted or lost while it waited."""
    scene.call()
    scene.primary.wait = trouble
    with pytest.raises(StoreUnavailable, match="unknown"):
        scene.link.confirm()


def test_a_replica_that_lags_is_waited_for_and_then_refused(scene: Scene) -> None:
    """Not acknowledged, with the name of the one that did not confirm; logged once."""
    scene.primary.replicas[R2] = 99
    for _ in range(3):
        scene.call()
        with pytest.raises(StoreUnavailable, match="r2:6379 did not confirm"):
            scene.link.confirm()
    scene.primary.replicas[R2] = 100
    scene.group()
    assert scene.events == ["store.link_lost", "store.link_found"]


def test_a_dead_replica_is_excused_by_the_sentinels(scene: Scene) -> None:
    """A majority sees it down: writes go on with the other one."""
    scene.group()
    del scene.primary.replicas[R2]
    scene.replicas[R2].down = True
    scene.call()
    with pytest.raises(StoreUnavailable):
        scene.link.confirm()
    for one in scene.sentinels[:2]:
        one.replicas[R2] = "slave,s_down"
    scene.group()


def test_a_paused_and_replaced_primary_is_found_out(scene: Scene) -> None:
    """One replica still acknowledges to it; the other one, promoted, says what it has become."""
    scene.group()
    promoted = scene.promote(R1)
    scene.primary.replicas = {R2: 100}
    scene.call()
    with pytest.raises(StoreUnavailable, match="is the primary too"):
        scene.link.confirm()
    scene.group()
    assert promoted.calls == 1


def test_an_outage_is_told_once_and_not_waited_for_by_all(scene: Scene) -> None:
    """The first call looks for a while; later ones make one attempt when it is due."""
    scene.primary.down = True
    for one in scene.sentinels:
        one.down = True
    details = []
    for _ in range(5):
        with pytest.raises(StoreUnavailable) as caught:
            scene.call()
        details.append(caught.value.detail)
    assert any("Nothing was sent" in detail for detail in details)
    assert scene.events == ["store.link_lost"]


def test_a_primary_that_forgets_is_not_used(scene: Scene) -> None:
    """The level promises the disk, so a server that does not sync its log is refused."""
    scene.primary.config["appendfsync"] = "everysec"
    for _ in range(4):
        with pytest.raises(StoreUnavailable, match="appendfsync always") as caught:
            scene.call()
        assert caught.value.detail.count("Nothing was sent.") == 1
        assert ".." not in caught.value.detail


def test_a_level_of_memory_asks_for_nothing_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who chose it pays for no ROLE and no WAIT."""
    scene = Scene(monkeypatch, level=Level.MEMORY)
    scene.primary.config["appendfsync"] = "no"
    scene.group()
    scene.network.asked.clear()
    scene.group()
    assert [word for _, word in scene.network.asked] == ["FCALL"]


def test_an_error_of_a_function_is_not_repeated(scene: Scene) -> None:
    """It may have failed half-way; the same again would bring the same."""
    scene.primary.troubles = deque(["ERR user_script:12: no such thing"])
    with pytest.raises(StoreUnavailable, match="function of the store failed"):
        scene.call()
    assert scene.primary.troubles == deque()


def test_the_default_level_is_the_safest_one() -> None:
    """Replicated where Sentinels are named, else the disk."""
    assert link_room.RedisLink(Address(nodes=(S1,), name="m"), "k").level is Level.REPLICATED
    assert link_room.RedisLink(Address(nodes=(P,)), "k").level is Level.DISK


def test_nothing_was_changed_is_said_only_when_it_is_so(scene: Scene) -> None:
    """Of a call that never ran; not when others of its group did."""
    scene.primary.troubles = deque(["MISCONF"] * 50)
    with pytest.raises(StoreUnavailable, match="Nothing was changed by it"):
        scene.call()
    scene.primary.troubles.clear()
    scene.call()
    scene.primary.troubles = deque(["MISCONF"] * 50)
    with pytest.raises(StoreUnavailable, match="outcome is unknown") as told:
        scene.call()
    assert "Nothing was changed" not in told.value.detail


def test_a_confirmation_that_cannot_be_read_is_an_unknown_outcome(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The call has been carried out: that is no error of another kind, and nothing is undone."""
    scene.call()
    monkeypatch.setattr(scene.primary, "_info", lambda *_: b"role:master")
    with pytest.raises(StoreUnavailable, match="outcome is unknown"):
        scene.link.confirm()


def test_a_word_of_damage_is_no_outage(scene: Scene) -> None:
    """It is told as what it is, with how old the copy is, and the next call connects anew."""
    scene.group()
    scene.primary.troubles = deque(["WMOLDER 1500 script: wm1_open", "WMDAMAGED its keys are gone"])
    with pytest.raises(StoreDamaged, match=r"older copy of itself, by 1\.5 s") as told:
        scene.call()
    assert told.value.behind_ms == 1500
    with pytest.raises(StoreDamaged, match="its keys are gone"):
        scene.call()
    assert scene.events == []
    assert scene.network.opened.count(P) == 2
    scene.group()
