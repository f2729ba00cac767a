"""A whole cluster under load, hurt in each of its parts: what callers notice, and what is lost."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.faults.cluster_faults import (
    Scene,
    kill_an_endpoint,
    kill_half_of_the_workers,
    kill_the_leader,
    load_of,
    stop_an_endpoint,
    stop_the_leader,
)
from tests.load.ledger import Outcome
from tests.load.load import Load
from tests.redis_servers import folder
from tests.system.clusters import Cluster, need_programs

MAX_FAILED = 0.01
"""Of the requests of callers without an SDK, when an endpoint is killed under load: the bar."""


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    need_programs()
    with (
        folder() as directory,
        Cluster(directory, "--endpoints", "2:2", workers="4:4") as cluster,
    ):
        yield Scene(cluster)


def checked(load: Load, *, max_failed: float = 0.0) -> Outcome:
    """Nothing acknowledged is lost, wrong or delivered twice, and no request of the SDK fails."""
    outcome = load.outcome()
    print(outcome)
    assert outcome.kept, outcome
    assert outcome.failures("sdk") == 0, outcome
    assert outcome.failed_share("raw") <= max_failed, outcome
    return outcome


def test_an_endpoint_killed_under_load_is_replaced(scene: Scene) -> None:
    """At most one raw request in a hundred fails."""
    with load_of(scene.cluster) as load:
        load.wait_for(500)
        kill_an_endpoint(scene)
        load.wait_for(500)
    checked(load, max_failed=MAX_FAILED)


def test_a_stopped_endpoint_is_out_and_comes_back(scene: Scene) -> None:
    """SIGSTOP: the callers whom it holds wait, nobody else; the same process comes back."""
    with load_of(scene.cluster) as load:
        load.wait_for(200)
        stop_an_endpoint(scene, seconds=0.0)
        load.wait_for(200)
    checked(load)


def test_half_of_the_workers_killed_are_replaced(scene: Scene) -> None:
    """Their jobs go on from their checkpoints elsewhere."""
    with load_of(scene.cluster) as load:
        load.wait_for(200)
        kill_half_of_the_workers(scene)
        load.wait_for(200)
    checked(load)


def test_a_killed_leader_is_followed(scene: Scene) -> None:
    """Nobody notices."""
    with load_of(scene.cluster) as load:
        kill_the_leader(scene)
    checked(load)


def test_a_stopped_leader_is_followed_and_knows_it(scene: Scene) -> None:
    """One leads at a time; the woken one gives no order that is obeyed."""
    with load_of(scene.cluster) as load:
        stop_the_leader(scene)
    checked(load)


@pytest.mark.faults
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(1, 11))
def test_endpoints_are_killed_again_and_again(scene: Scene, seed: int) -> None:
    """The bar of one kill, ten times, each over a load of its own."""
    scene.dice.seed(seed)
    with load_of(scene.cluster, seed) as load:
        load.wait_for(1000)
        kill_an_endpoint(scene)
        load.wait_for(1000)
    checked(load, max_failed=MAX_FAILED)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_an_endpoint_stopped_for_twenty_seconds(scene: Scene) -> None:
    """Longer than it takes to be judged dead and replaced: the same process comes back, and one of
    the two then drains."""
    with load_of(scene.cluster) as load:
        load.wait_for(200)
        stop_an_endpoint(scene, seconds=20.0)
        load.wait_for(200)
    checked(load, max_failed=MAX_FAILED)


@pytest.mark.faults
@pytest.mark.timeout(900)
def test_leaders_and_workers_die_again_and_again(scene: Scene) -> None:
    """Ten times each under one load."""
    with load_of(scene.cluster) as load:
        for _ in range(10):
            kill_the_leader(scene)
            kill_half_of_the_workers(scene)
    checked(load)
