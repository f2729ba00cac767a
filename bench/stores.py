"""The stores that `bench store` measures: where each keeps its jobs, in how much room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import redis

from bench.processes import redis_server
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.addresses import parse_address
from workmill.store.redis.lua_library import load
from workmill.store.redis.primary_link import RedisLink
from workmill.store.redis.shard_store import PartStore
from workmill.store.sharded.open_shards import open_parts
from workmill.store.sharded.shard import Opened
from workmill.store.sqlite import SqliteStore


class Place(NamedTuple):
    """One place for jobs: `open` it as often as you like; `used_bytes` is what lies there now."""

    open: Callable[[], Store]
    used_bytes: Callable[[], int]


@contextmanager
def sqlite_place(directory: Path) -> Iterator[Place]:
    """A directory with one file, synced at every group."""
    yield Place(partial(SqliteStore, directory), partial(_disk_bytes, directory))


def _disk_bytes(directory: Path) -> int:
    return sum(file.stat().st_size for file in directory.iterdir())


@contextmanager
def redis_place(directory: Path) -> Iterator[Place]:
    """A server of its own with `appendfsync always`. It does not rewrite its log meanwhile: that
    is another process, on the cores that are measured."""
    directory.mkdir()
    with redis_server(durable=True) as url, redis.Redis.from_url(url) as client:
        empty = _memory_bytes(client)
        yield Place(
            lambda: RedisStore(partial(RedisLink, parse_address(url), "{w}", prepare=load)),
            lambda: _memory_bytes(client) - empty,
        )


@contextmanager
def shards_place(directory: Path, parts: int) -> Iterator[Place]:
    """As many servers as there are parts, each as in `redis_place`."""
    directory.mkdir()
    with ExitStack() as stack:
        urls = [stack.enter_context(redis_server(durable=True)) for _ in range(parts)]
        clients = [stack.enter_context(redis.Redis.from_url(url)) for url in urls]
        empty = sum(map(_memory_bytes, clients))
        yield Place(
            lambda: open_parts([(url, partial(_part, url)) for url in urls]),
            lambda: sum(map(_memory_bytes, clients)) - empty,
        )


def _part(url: str) -> Opened:
    store = PartStore(partial(RedisLink, parse_address(url), "{w}", prepare=load))
    return Opened(store, store)


def _memory_bytes(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


class Kind(NamedTuple):
    """One kind of store: a new place for it, and how a report calls it and its room."""

    place: Callable[[Path], AbstractContextManager[Place]]
    about: str
    used: str


def kind_of(name: str, shards: int) -> Kind:
    """The kind that was asked for."""
    if name == "sqlite":
        return Kind(sqlite_place, "SQLite, fsync at every group", "bytes on disk per queued job")
    about, used = "Redis, appendfsync always", "bytes of memory per queued job"
    if shards == 1:
        return Kind(redis_place, about, used)
    return Kind(partial(shards_place, parts=shards), f"{shards} shards of {about}", used)
