"""Every test here runs against every store; each store is one entry of STORES."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import cast

import apsw
import pytest
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import OpenStore, Stand
from tests.redis_servers import folder, link_to, redis_on_socket, running_replicas

from workmill.domain.clock import Clock
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.shard_store import PartStore
from workmill.store.retention import Bounds
from workmill.store.sharded import ShardedStore
from workmill.store.sharded.open_shards import open_parts
from workmill.store.sharded.shard import Opened
from workmill.store.sqlite import SqliteStore


def open_sqlite(directory: Path, clock: Clock, bounds: Bounds | None = None) -> Store:
    return SqliteStore(directory, clock=clock, bounds=bounds)


def open_redis(url: str, directory: Path, clock: Clock, bounds: Bounds | None = None) -> Store:
    """Each directory stands for a store of its own: a tag on the one server of this run."""
    connect = partial(link_to, url, tag_of(directory))
    return RedisStore(connect, clock=clock, bounds=bounds)


def open_shards(url: str, directory: Path, clock: Clock, bounds: Bounds | None = None) -> Store:
    """Two parts for each directory: two tags on the one server."""

    def opener(number: int) -> Opened:
        connect = partial(link_to, url, tag_of(directory, number))
        part = PartStore(connect, clock=clock, bounds=bounds)
        return Opened(part, part)

    return open_parts([(f"part {n}", partial(opener, n)) for n in range(2)], clock=clock)


def tag_of(directory: Path, part: int | None = None) -> str:
    named = f"{directory}" if part is None else f"{directory} {part}"
    return "{" + hashlib.sha256(named.encode()).hexdigest()[:12] + "}"


def unplaced_in(store: Store) -> int:
    """How many jobs nobody would come upon, by the look at each Redis of which a store is made."""
    parts: list[RedisStore] = []
    if isinstance(store, ShardedStore):
        parts = [cast(RedisStore, one.opened.verbs) for one in store._parts]
    elif isinstance(store, RedisStore):
        parts = [store]
    found = 0
    for part in parts:
        with part.group():
            found += int(part._read("unplaced"))
    return found


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    with folder() as directory, redis_on_socket(directory) as url:
        yield url


@pytest.fixture(scope="session")
def watched_url() -> Iterator[str]:
    """A primary with two replicas under three Sentinels: every group waits for both."""
    with folder() as directory, running_replicas(directory, sentinels=3) as cluster:
        yield cluster.url


STORES: dict[str, Callable[[pytest.FixtureRequest], OpenStore]] = {
    "sqlite": lambda _: open_sqlite,
    "redis": lambda request: partial(open_redis, request.getfixturevalue("redis_url")),
    "shards": lambda request: partial(open_shards, request.getfixturevalue("redis_url")),
    "watched": lambda request: partial(open_redis, request.getfixturevalue("watched_url")),
}


@pytest.fixture
def disk() -> Iterator[SickDisk]:
    """The disk under every SQLite file that is opened from now on."""
    default = apsw.vfs_names()[0]
    yield SickDisk()
    apsw.set_default_vfs(default)


@pytest.fixture(params=STORES)
def open_store(request: pytest.FixtureRequest) -> OpenStore:
    return STORES[request.param](request)


@pytest.fixture
def stand(open_store: OpenStore, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(open_store, tmp_path / "store")
    yield made
    assert unplaced_in(made.store) == 0
    made.store.close()
