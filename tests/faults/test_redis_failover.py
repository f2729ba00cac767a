"""A watched Redis is hurt under load, again and again: nothing acknowledged may be lost.

`down-after-milliseconds` is as in production where one fault follows another: Sentinels promote
the replica that they saw furthest, and what they saw may be up to five seconds old. Only a primary
that is missed for longer than that is replaced by the one that is furthest indeed.

Two harnesses. Stores alone submit as fast as they can, so that a change is under way in every
moment of a failover; there the rule is tried against plain `WAIT 1`, which must be seen to lose.
Whole services (endpoints, workers, HTTP clients) show the rest: values, deliveries, recovery.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import pytest
from tests.faults.failover import FAULTS, pause_the_primary
from tests.load.load import Load
from tests.load.on_stores import Found, Stores, look
from tests.load.over_http import Sdk
from tests.redis.sets import wait_one
from tests.redis_servers import running_replicas, store_at
from tests.system.processes import Up

from workmill.store.redis.acknowledgement import judge

ROUNDS = 20
MAX_LOAD_BETWEEN = 300
DOWN_AFTER_MS = 6000
SOON_MS = 1000
"""Soon enough for one fault; see above."""
FORGIVEN_MS = 3600_000
"""What plain `WAIT 1` loses is to be counted, not refused."""
RECEIPT_SECONDS = 30.0
"""Longer than any outage here: what is delivered again although nothing lapsed counts as twice."""


def stores_alone(
    folder: Path,
    names: Sequence[str],
    *,
    seed: int,
    plain_wait: bool = False,
    down_after_ms: int = DOWN_AFTER_MS,
) -> Found:
    """These faults one after another, with stores alone."""
    dice = random.Random(seed)
    verdict = wait_one if plain_wait else judge
    pauses = []
    with running_replicas(folder, sentinels=3, down_after_ms=down_after_ms) as cluster:
        heals_ms = FORGIVEN_MS if plain_wait else 0
        opened = partial(store_at, cluster.address, verdict=verdict, heals_ms=heals_ms)
        way = Stores(opened, iterations=(2, 10**6), group_jobs=(1, 20))
        with Load([way] * 3, seed=seed) as load:
            for name in names:
                load.wait_for(dice.randrange(1, MAX_LOAD_BETWEEN))
                began = time.monotonic()
                FAULTS[name](cluster, load.wait_for)
                pauses.append(load.longest_pause_seconds(began))
                cluster.settle()
        found = look(opened, load.ledger.acknowledged)
    print(
        f"stores alone, {'+'.join(sorted(set(names)))}, seed {seed}, {len(names)} rounds, "
        f"{'plain WAIT 1' if plain_wait else 'the rule'}: {found}, "
        f"pauses {statistics.median(pauses):.2f} s in the median, {max(pauses):.2f} s at most"
    )
    return found


@pytest.mark.parametrize(
    "names", [("kill_the_primary", "empty_a_replica"), ("pause_the_primary",)], ids="+".join
)
def test_one_failover(tmp_path: Path, names: tuple[str, ...]) -> None:
    """Killed, or paused and replaced: 0 lost, 0 wrong."""
    found = stores_alone(tmp_path, names, seed=3, down_after_ms=SOON_MS)
    assert found == (found.acknowledged, 0, 0)
    assert found.acknowledged > 0


@pytest.mark.faults
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", FAULTS)
def test_nothing_acknowledged_is_lost(tmp_path: Path, name: str, seed: int) -> None:
    """Twenty rounds of each: 0 lost, 0 wrong, and writes flow again by themselves."""
    found = stores_alone(tmp_path, [name] * ROUNDS, seed=seed)
    assert found == (found.acknowledged, 0, 0)


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_plain_wait_is_seen_to_lose(tmp_path: Path) -> None:
    """The same rounds under a judge that takes one replica's word lose acknowledged jobs."""
    found = stores_alone(tmp_path, [pause_the_primary.__name__] * ROUNDS, seed=1, plain_wait=True)
    assert found.lost > 0


@pytest.mark.faults
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", FAULTS)
def test_whole_services_keep_every_promise(tmp_path: Path, name: str) -> None:
    """Over HTTP: every acknowledged job is delivered, once, with the right value."""
    dice = random.Random(name)
    pauses = []
    with (
        running_replicas(tmp_path / "redis", sentinels=3, down_after_ms=DOWN_AFTER_MS) as cluster,
        Up(tmp_path / "up", "--store", cluster.url) as up,
    ):
        way = Sdk(up.url, receipt_seconds=RECEIPT_SECONDS)
        with Load([way] * 3, puller=way) as load:
            for _ in range(ROUNDS):
                load.wait_for(dice.randrange(1, MAX_LOAD_BETWEEN))
                began = time.monotonic()
                FAULTS[name](cluster, load.wait_for)
                pauses.append(load.longest_pause_seconds(began))
                cluster.settle()
        outcome = load.outcome()
    print(
        f"whole service, {name}, {ROUNDS} rounds: {outcome}, pauses "
        f"{statistics.median(pauses):.2f} s in the median, {max(pauses):.2f} s at most"
    )
    assert outcome.kept, outcome
