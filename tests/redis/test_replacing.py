"""An endpoint that replaces another begins no store: not on a Redis that was emptied meanwhile, nor
in a shard. To its callers every job would be one that never was."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job
from tests.redis_servers import RedisServer
from tests.system.processes import Up, until

from workmill.domain.errors import InvalidInput, StoreDamaged, StoreUnavailable
from workmill.runtime.composition import open_store
from workmill.runtime.config import EndpointConfig
from workmill.store.port import Store
from workmill.store.redis import open_store as opening
from workmill.store.redis.address_survey import Survey, survey
from workmill.store.sharded import open_shards as sharded_opening


def opened(*servers: RedisServer, replacing: bool) -> Store:
    store = tuple(f"redis://{one.node.host}:{one.node.port}" for one in servers)
    return open_store(EndpointConfig(store=store, may_found=not replacing))


def served(*servers: RedisServer) -> None:
    """A store is there, with a job in it, and nobody has it open."""
    store = opened(*servers, replacing=False)
    with store.group():
        store.submit([new_job() for _ in range(20)])
    store.close()


def emptied(server: RedisServer) -> None:
    server.ask("FLUSHALL")
    server.ask("FUNCTION", "FLUSH")


def is_untouched(server: RedisServer) -> bool:
    return (server.ask("DBSIZE"), server.ask("FUNCTION", "LIST")) == (0, [])


def count(store: Store) -> int:
    with store.group():
        return store.stats().submitted_total


@pytest.mark.parametrize("shards", [1, 2])
def test_a_replacement_refuses_a_redis_that_was_emptied(
    servers: list[RedisServer], shards: int
) -> None:
    """It says so and leaves nothing behind. Whoever starts the service anew may begin."""
    there = servers[:shards]
    served(*there)
    for one in there:
        emptied(one)
    with pytest.raises(StoreDamaged, match=r"not there any more.*Nothing was begun"):
        opened(*there, replacing=True)
    assert all(map(is_untouched, there))
    opened(*there, replacing=False).close()
    opened(*there, replacing=True).close()


@pytest.mark.parametrize("shards", [1, 2])
def test_it_goes_on_with_what_is_there(servers: list[RedisServer], shards: int) -> None:
    """The store that the one before it served; also when it comes back later."""
    served(*servers[:shards])
    store = opened(*servers[:shards], replacing=True)
    assert count(store) == 20
    store.close()


@pytest.mark.parametrize("shards", [1, 2])
def test_one_that_is_emptied_after_the_look_is_refused_too(
    servers: list[RedisServer], shards: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The function that opens it decides, in one step; no key is left."""

    def looked(*given: object, **named: object) -> Survey:
        look: Callable[..., Survey] = survey
        return look(*given, **named)

    def then_emptied(there: Sequence[RedisServer]) -> Callable[..., Survey]:
        left = list(there)

        def look(*given: object, **named: object) -> Survey:
            seen = looked(*given, **named)
            one = next(one for one in left if str(one.node) in seen.name)
            emptied(one)
            return seen

        return look

    there = servers[:shards]
    served(*there)
    module = opening if shards == 1 else sharded_opening
    monkeypatch.setattr(module, "survey", then_emptied(there))
    with pytest.raises(StoreUnavailable, match="its keys are gone"):
        opened(*there, replacing=True)
    assert [one.ask("DBSIZE") for one in there] == [0] * shards


def test_a_shard_that_was_away_and_comes_back_empty_is_left_unmarked(
    servers: list[RedisServer],
) -> None:
    """For any endpoint, the first one too: the other shards know that it was one."""
    served(*servers[:2])
    emptied(servers[1])
    with pytest.raises(InvalidInput, match="has lost its data"):
        opened(*servers[:2], replacing=True)
    servers[1].kill()
    store = opened(*servers[:2], replacing=False)
    servers[1].start()
    until(lambda: b"cmdstat_fcall" in servers[1].ask("INFO", "commandstats"))
    store.close()
    assert servers[1].ask("DBSIZE") == 0


def test_a_new_shard_may_still_join_a_replacement(servers: list[RedisServer]) -> None:
    """It was given at the end and was away when the first endpoint opened the others."""
    served(*servers[:2])
    store = opened(*servers, replacing=True)
    store.close()
    assert servers[2].ask("GET", "{w}part").startswith(b"2 ")


def test_under_up_a_redis_that_was_emptied_is_not_begun_anew(
    plain: RedisServer, tmp_path: Path
) -> None:
    """kill -9 of the endpoint over a Redis that was flushed: who follows refuses, again and again,
    and marks nothing; started anew the service begins."""
    store = ("--store", f"redis://{plain.node.host}:{plain.node.port}")
    with Up(tmp_path, *store, workers=0) as up:
        with up.client() as client:
            client.submit(b"kept", 10)
        (endpoint,) = up.pids("endpoint")
        os.kill(endpoint, signal.SIGSTOP)  # or it might see to its own end first
        emptied(plain)
        os.kill(endpoint, signal.SIGKILL)
        until(lambda: up.log.read_text().count("Nothing was begun in its place") > 1)
        assert is_untouched(plain)
    up.start()
    with up, up.client() as client:
        assert client.submit(b"new", 10).id
