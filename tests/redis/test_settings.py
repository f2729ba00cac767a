"""What a server must be set to: refused at the start, and looked at again while it is open."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import cast

import pytest
from tests.contract.job_factory import new_job
from tests.redis_servers import RedisServer, store_at
from tests.system.processes import until

from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.domain.job import NewJob
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import Access, Address
from workmill.store.redis.lua_library import load
from workmill.store.redis.open_store import TAG
from workmill.store.redis.primary_link import Pace, RedisLink

OFTEN = Pace(patience_seconds=0.2, look_seconds=0.0)
USER = Access(user="mill", password="secret")  # noqa: S106 - of a test


def opened(
    server: RedisServer, *, access: Access | None = None, level: Level | None = None
) -> RedisStore:
    """A store that looks at its server's settings before every group."""
    address = Address(nodes=(server.node,), access=access or Access())
    return RedisStore(partial(RedisLink, address, TAG, level=level, prepare=load, pace=OFTEN))


def submit(store: RedisStore, *jobs: NewJob) -> None:
    with store.group():
        store.submit(jobs or [new_job()])


BAD = [
    ("maxmemory-policy", "allkeys-lru", "noeviction"),
    ("maxmemory-policy", "volatile-ttl", "noeviction"),
    ("appendfsync", "everysec", "always"),
    ("appendfsync", "no", "always"),
    ("no-appendfsync-on-rewrite", "yes", "no"),
    ("appendonly", "no", "yes"),
]


@pytest.mark.parametrize(("name", "value", "right"), BAD)
def test_each_is_refused_at_the_start(
    plain: RedisServer, name: str, value: str, right: str
) -> None:
    """With what to set; and the server is left as it was."""
    plain.ask("CONFIG", "SET", name, value)
    with pytest.raises(StoreUnavailable, match=f"Set {name} {right}"):
        opened(plain)
    assert plain.ask("DBSIZE") == 0
    assert plain.ask("FUNCTION", "LIST") == []


@pytest.mark.parametrize(("name", "value", "right"), BAD)
def test_each_is_noticed_while_it_is_open(
    plain: RedisServer,
    name: str,
    value: str,
    right: str,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Nothing is acknowledged until it is right again; each change is written down once."""
    store = opened(plain)
    submit(store)
    plain.ask("CONFIG", "SET", name, value)
    for _ in range(3):
        with pytest.raises(StoreUnavailable, match=f"Set {name} {right}"):
            submit(store)
    plain.ask("CONFIG", "SET", name, right)
    submit(store)
    with store.group():
        assert store.stats().submitted_total == 2
    said = capfdbinary.readouterr().err
    assert (said.count(b'"store.unsafe"'), said.count(b'"store.safe"')) == (1, 1)
    store.close()


def test_a_refusal_holds_until_it_is_looked_again(plain: RedisServer) -> None:
    """Nobody gets a change in between two looks."""
    store = opened(plain)
    plain.ask("CONFIG", "SET", "appendfsync", "everysec")
    looks = cast("RedisLink", store._link)._inspection
    for due in (0.0, math.inf, math.inf):
        looks._due = due
        with pytest.raises(StoreUnavailable, match="Set appendfsync always"):
            submit(store)
        looks._due = math.inf
    plain.ask("CONFIG", "SET", "appendfsync", "always")
    looks._due = 0.0
    submit(store)
    with store.group():
        assert store.stats().submitted_total == 1
    store.close()


def test_a_store_that_lost_keys_is_damaged_for_good(plain: RedisServer) -> None:
    """Thrown away for want of memory: also when the setting is right again."""
    store = opened(plain)
    submit(store, *(new_job() for _ in range(500)))
    plain.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-random")
    used = int(info_of(plain, "memory")["used_memory"])
    plain.ask("CONFIG", "SET", "maxmemory", used - 20_000)
    plain.ask("SET", "x", "y")
    plain.ask("CONFIG", "SET", "maxmemory-policy", "noeviction", "maxmemory", "0")
    for _ in range(3):
        with pytest.raises(StoreDamaged, match="keys away"):
            submit(store)
    store.close()


def info_of(server: RedisServer, section: str) -> dict[str, str]:
    lines = server.ask("INFO", section).decode().splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line)


def without(server: RedisServer, *rights: str) -> None:
    server.ask("ACL", "SETUSER", "mill", "reset", "on", ">secret", "~*", "+@all", *rights)


def test_what_may_not_be_read_is_judged_by_what_is_shown(plain: RedisServer) -> None:
    """A user without CONFIG: INFO shows that there is no log, and who is thrown out."""
    without(plain, "-config")
    plain.ask("CONFIG", "SET", "appendonly", "no")
    with pytest.raises(StoreUnavailable, match="Set appendonly yes"):
        opened(plain, access=USER)
    plain.ask("CONFIG", "SET", "appendonly", "yes", "maxmemory-policy", "allkeys-lfu")
    with pytest.raises(StoreUnavailable, match="Set maxmemory-policy noeviction"):
        opened(plain, access=USER)


def test_what_is_not_shown_stays_a_warning(
    plain: RedisServer, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """It is said once, and stands in the statistics for as long as it lasts."""
    without(plain, "-config")
    store = opened(plain, access=USER)
    submit(store)
    with store.group():
        (warning,) = store.stats().warnings
    assert "appendfsync" in warning
    assert capfdbinary.readouterr().err.count(b'"store.doubtful"') == 1
    without(plain)
    with store.group():
        assert store.stats().warnings == ()
    store.close()


def test_what_a_watch_keeps_is_no_warning(
    plain: RedisServer, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """Where Workmill's own watch is beside each server, for which the address vouches. What INFO
    shows is judged all the same."""
    without(plain, "-config")
    store = store_at(replace(plain.address, access=USER, kept=True))
    with store.group():
        assert store.stats().warnings == ()
    assert b"store.doubtful" not in capfdbinary.readouterr().err
    plain.ask("CONFIG", "SET", "appendonly", "no")
    with pytest.raises(StoreUnavailable, match="Set appendonly yes"):
        store_at(replace(plain.address, access=USER, kept=True))
    store.close()


def test_memory_alone_asks_for_no_log(plain: RedisServer) -> None:
    """Who chose that is not refused for want of a log; but jobs may not be thrown away either."""
    plain.ask("CONFIG", "SET", "appendonly", "no")
    store = opened(plain, level=Level.MEMORY)
    submit(store)
    plain.ask("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    with pytest.raises(StoreUnavailable, match="noeviction"):
        submit(store)
    store.close()


@pytest.mark.parametrize("rights", [("-@write",), ("-hset",), ("-fcall",)], ids=str)
def test_a_server_that_refuses_changes_fails_the_probe(
    plain: RedisServer, rights: tuple[str, ...]
) -> None:
    """Though it shows what it has: readiness is proved by a write."""
    without(plain)
    store = opened(plain, access=USER)
    submit(store)
    without(plain, *rights)
    with pytest.raises(StoreUnavailable, match=r"may not|permissions") as told, store.group():
        store.probe()
    assert "Traceback" not in told.value.detail
    without(plain)
    until(lambda: takes(store))
    store.close()


def takes(store: Store) -> bool:
    """Whether it takes a write now."""
    try:
        with store.group():
            store.probe()
    except StoreUnavailable:
        return False
    return True


def test_a_full_server_passes_the_probe(plain: RedisServer) -> None:
    """It refuses what is new, and takes what makes room."""
    store = opened(plain)
    plain.ask("CONFIG", "SET", "maxmemory", "1")
    assert takes(store)
    store.close()


def test_a_server_that_became_a_replica_fails_the_probe(plain: RedisServer) -> None:
    """It is read-only then; and comes back."""
    store = opened(plain)
    plain.ask("REPLICAOF", "127.0.0.1", "1")
    assert not takes(store)
    plain.ask("REPLICAOF", "NO", "ONE")
    until(lambda: takes(store))
    store.close()
