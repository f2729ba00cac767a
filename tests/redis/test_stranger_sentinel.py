"""A Sentinel of another set among those of this one: its own set has the same name."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.contract.job_factory import new_job
from tests.redis_servers import (
    NAME,
    RedisServer,
    ReplicatedRedis,
    folder,
    running_replicas,
    store_at,
)
from tests.system.processes import until

from workmill.store.redis.addresses import Address
from workmill.store.redis.connection import Refused


@pytest.fixture(scope="module")
def two_sets() -> Iterator[tuple[ReplicatedRedis, ReplicatedRedis]]:
    with (
        folder() as ours,
        folder() as theirs,
        running_replicas(ours, replicas=1, sentinels=2) as one,
        running_replicas(theirs, replicas=1, sentinels=1) as other,
    ):
        yield one, other


def begins_failover(sentinel: RedisServer) -> bool:
    """It may not know its replica well enough yet."""
    try:
        sentinel.ask("SENTINEL", "FAILOVER", NAME)
    except Refused:
        return False
    return True


def test_a_stranger_with_a_newer_configuration_is_not_followed(
    two_sets: tuple[ReplicatedRedis, ReplicatedRedis],
) -> None:
    """Failovers of another set raise its epoch. What most Sentinels know of is what is served; at
    the other set no store is founded and nothing is loaded, and its replicas need not confirm."""
    ours, theirs = two_sets
    before = theirs.primary()
    until(lambda: begins_failover(theirs.sentinels[0]))
    until(lambda: theirs.primary() is not before)
    theirs.settle()
    stranger = theirs.sentinels[0].node
    nodes = (stranger, *(one.node for one in ours.sentinels))
    store = store_at(Address(nodes=nodes, name=NAME))
    try:
        job = new_job()
        with store.group():
            store.submit([job])
        assert ours.primary().ask("EXISTS", "{w}mark") == 1
        assert [one.ask("DBSIZE") for one in theirs.servers] == [0, 0]
        assert theirs.primary().ask("FUNCTION", "LIST") == []
    finally:
        store.close()
