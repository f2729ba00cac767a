"""A store of several parts for the tests of this room, over servers that they can hurt."""

from __future__ import annotations

from functools import partial

from tests.contract.store_drivers import HandClock
from tests.redis_servers import RedisServer

from workmill.store.redis.lua_library import load
from workmill.store.redis.primary_link import RedisLink
from workmill.store.redis.shard_store import PartStore
from workmill.store.sharded import ShardedStore
from workmill.store.sharded.open_shards import open_parts
from workmill.store.sharded.shard import Opened

TAG = "{w}"


def open_on(servers: list[RedisServer], clock: HandClock | None = None) -> ShardedStore:
    """These servers as the parts of one store, in this order."""

    def opener(server: RedisServer) -> Opened:
        part = PartStore(partial(RedisLink, server.address, TAG, prepare=load), clock=clock)
        return Opened(part, part)

    openers = [(str(server.node), partial(opener, server)) for server in servers]
    return open_parts(openers, clock=clock)


def away(store: ShardedStore) -> tuple[str, ...]:
    """The parts that it has to do without."""
    with store.group():
        return store.stats().unavailable
