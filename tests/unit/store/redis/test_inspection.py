"""What looks at a primary, one after the other, make of what it shows."""

from __future__ import annotations

import pytest
from tests.unit.store.redis.fakes import P

from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.store.redis import inspection
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.connection import Refused
from workmill.store.redis.durability import Shown, read_shown
from workmill.store.redis.inspection import AGAIN_SECONDS, LOOK_SECONDS, WARN_SECONDS, Inspection

GOOD = {
    "appendonly": "yes",
    "appendfsync": "always",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
}


def shown(run: str = "first", *, evicted: int = 0, info: str = "", **config: str) -> Shown:
    """A server; `info` is a line more of its INFO, `config` are settings with `_` for `-`."""
    name, _, value = info.partition(":")
    said = {"redis_version": "7.2.0", "run_id": run, "evicted_keys": str(evicted), name: value}
    given = {name.replace("_", "-"): value for name, value in config.items()}
    return Shown(node=P, info=said, config=GOOD | given)


class Scene:
    """One inspection, with its clock and what it has written down."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        self.said: list[str] = []
        monkeypatch.setattr(inspection, "emit", lambda event, **_: self.said.append(event))
        self.looks = Inspection(Level.DISK, "a store", monotonic=lambda: self.now)


@pytest.fixture
def scene(monkeypatch: pytest.MonkeyPatch) -> Scene:
    return Scene(monkeypatch)


def test_keys_that_went_before_are_a_warning_and_those_that_go_now_are_a_loss(
    scene: Scene,
) -> None:
    """The former may have been others'; the latter were this store's, whatever comes then."""
    scene.looks.judge(shown(evicted=5))
    assert "5 keys away" in scene.looks.warnings[0]
    scene.looks.judge(shown("restarted", evicted=7))
    for evicted in (8, 8, 0):
        with pytest.raises(StoreDamaged, match="thrown 1 keys away"):
            scene.looks.judge(shown("restarted", evicted=evicted))
    assert "store.unsafe" not in scene.said


def test_a_refusal_lasts_between_two_looks(scene: Scene) -> None:
    """Nobody is let through because it was just looked; and it is looked again soon."""
    with pytest.raises(StoreUnavailable, match="noeviction"):
        scene.looks.judge(shown(maxmemory_policy="allkeys-lru"))
    assert not scene.looks.due
    with pytest.raises(StoreUnavailable, match="noeviction"):
        scene.looks.check()
    scene.now += AGAIN_SECONDS
    assert scene.looks.due
    scene.looks.judge(shown())
    scene.looks.check()
    scene.now += AGAIN_SECONDS
    assert not scene.looks.due
    scene.now += LOOK_SECONDS
    assert scene.looks.due
    assert scene.said == ["store.unsafe", "store.safe"]


def test_a_warning_is_told_when_it_changes_and_once_an_hour(scene: Scene) -> None:
    """Not with every look; another one is not hidden behind the first."""
    for _ in range(3):
        scene.looks.judge(shown(evicted=5))
    assert scene.said == ["store.doubtful"]
    scene.looks.judge(shown(info="aof_last_bgrewrite_status:err"))
    assert "could not rewrite its log" in scene.looks.warnings[0]
    assert scene.said == ["store.doubtful"] * 2
    scene.now += WARN_SECONDS
    scene.looks.judge(shown(info="aof_last_bgrewrite_status:err"))
    assert scene.said == ["store.doubtful"] * 3
    scene.looks.judge(shown())
    assert scene.looks.warnings == ()


def test_a_log_that_cannot_be_written_is_refused(scene: Scene) -> None:
    """What is acknowledged would be in memory alone."""
    with pytest.raises(StoreUnavailable, match="cannot write its log"):
        scene.looks.judge(shown(info="aof_last_write_status:err"))


def test_a_node_of_a_cluster_is_a_warning(scene: Scene) -> None:
    """Keys may be moved away from it; it keeps what it has."""
    scene.looks.judge(shown(info="cluster_enabled:1"))
    assert "Redis Cluster" in scene.looks.warnings[0]


def test_a_right_that_was_taken_away_is_the_refusal_that_it_is() -> None:
    """Who may not ask INFO any more is told so; settings that may not be read are none."""
    with pytest.raises(Refused, match="no permissions"):
        read_shown(P, Refused("NOPERM", "no permissions"), [])
    assert read_shown(P, b"run_id:1\r\n", Refused("NOPERM", "no permissions")).config is None
