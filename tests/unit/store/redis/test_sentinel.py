"""What is believed of what the Sentinels say."""

from __future__ import annotations

import pytest
from tests.unit.store.redis.fakes import R1, R2, S1, S2, S3, FakeNetwork, FakeSentinel, P

from workmill.store.redis import sentinel
from workmill.store.redis.acknowledgement import Witness
from workmill.store.redis.addresses import Access, Node
from workmill.store.redis.connection import Silent
from workmill.store.redis.replication_info import read_replication, read_role
from workmill.store.redis.sentinel import Sentinels, choose, kin


def witness(primary: Node, epoch: int) -> Witness:
    return Witness(primary=primary, epoch=epoch)


def test_the_newest_configuration_is_believed() -> None:
    """One Sentinel that has heard of the failover knows more than two that have not."""
    assert choose([witness(P, 1), witness(P, 1), witness(R1, 2)]) == R1
    assert choose([witness(P, 2), witness(R1, 2), witness(R1, 2)]) == R1
    assert choose([]) is None


def test_whoever_watches_another_set_is_not_heard() -> None:
    """Most of all must know servers in common; nobody who has heard of a failover is a stranger."""
    ours = [Witness(primary=P, epoch=1, replicas={R1: 1}) for _ in range(2)]
    stranger = Witness(primary=S1, epoch=9, replicas={S2: 1})
    first_to_hear = Witness(primary=R1, epoch=2, replicas={P: 1})
    forgetful = Witness(primary=R1, epoch=2)
    assert kin([stranger, *ours], 3) == ours
    assert kin([first_to_hear, *ours], 3) == [first_to_hear, *ours]
    assert kin([forgetful, *ours], 3) == [forgetful, *ours]
    assert kin([stranger, ours[0]], 3) == [stranger, ours[0]]
    assert kin([], 3) == []
    unaware = [Witness(primary=P, epoch=1), Witness(primary=P, epoch=1)]
    assert kin([forgetful, *unaware], 3) == [forgetful, *unaware], "nothing tells these apart"
    assert kin([first_to_hear, *unaware], 3) == [first_to_hear, *unaware]


@pytest.mark.parametrize(
    ("flags", "down", "cut"),
    [
        ("slave", False, False),
        ("s_down,slave", True, False),
        ("slave,disconnected", False, True),
        ("s_down,slave,disconnected", True, True),
        ("slave,reconf_inprog", False, False),
    ],
)
def test_down_and_cut_off_are_told_apart(
    flags: str, down: bool, cut: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that is being promoted loses its connections, and is not down at all."""
    network = FakeNetwork(FakeSentinel(S1, replicas={R1: flags, R2: "slave"}))
    monkeypatch.setattr(sentinel, "Connection", network)
    (said,) = Sentinels((S1,), "mill", Access()).ask()
    assert said.primary == P
    assert said.replicas == {R1: 100, R2: 100}
    assert said.down == ({R1} if down else set())
    assert said.cut == ({R1} if cut else set())


def test_a_dead_sentinel_is_left_alone_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs one time-out, not one at every question; the others are heard meanwhile."""
    dead = FakeSentinel(S2)
    network = FakeNetwork(FakeSentinel(S1), dead, FakeSentinel(S3))
    monkeypatch.setattr(sentinel, "Connection", network)
    sentinels = Sentinels((S1, S2, S3), "mill", Access())
    assert len(sentinels.ask()) == 3
    dead.down = True
    assert len(sentinels.ask()) == 2
    assert S2.host in sentinels.complaint
    dead.down = False
    assert len(sentinels.ask()) == 2
    monkeypatch.setattr("workmill.store.redis.sentinel.time.monotonic", lambda: 1e12)
    assert len(sentinels.ask()) == 3
    assert network.opened.count(S1) == 1
    assert len(sentinels) == 3


@pytest.mark.parametrize(
    "reply", [None, [], [b"sentinel", []], [b"slave", b"h"], [b"master", b"x"]]
)
def test_an_unreadable_reply_is_no_reply(reply: object) -> None:
    """The outcome of what was sent before is then unknown, and is treated so."""
    with pytest.raises(Silent):
        read_role(reply)
    with pytest.raises(Silent):
        read_replication(reply)
