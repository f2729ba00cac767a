"""The stores that `bench store` measures: where each keeps its jobs, in how much room."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import NamedTuple

import redis

from bench.processes import redis_server
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.addresses import parse_address
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink
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


def _memory_bytes(client: redis.Redis) -> int:
    return int(client.info("memory")["used_memory"])


PLACES = {"sqlite": sqlite_place, "redis": redis_place}
USED = {"sqlite": "bytes on disk per queued job", "redis": "bytes of memory per queued job"}
ABOUT = {"sqlite": "SQLite, fsync at every group", "redis": "Redis, appendfsync always"}
