"""Servers for the tests of this room, and a log that is looked at."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from tests.redis_servers import RedisServer, ReplicatedRedis, running_redis, running_replicas


@pytest.fixture
def plain(tmp_path: Path) -> Iterator[RedisServer]:
    with running_redis(tmp_path / "plain") as server:
        yield server


@pytest.fixture
def replicated(tmp_path: Path) -> Iterator[ReplicatedRedis]:
    """A primary with two replicas, and nobody who watches them."""
    with running_replicas(tmp_path) as cluster:
        yield cluster


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[ReplicatedRedis]:
    """A primary with two replicas under three Sentinels."""
    with running_replicas(tmp_path, sentinels=3) as cluster:
        yield cluster


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RedisServer]]:
    """Three that know nothing of each other."""
    with ExitStack() as stack:
        yield [stack.enter_context(running_redis(tmp_path / str(n))) for n in range(3)]
