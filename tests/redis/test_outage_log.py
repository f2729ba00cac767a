"""What the log tells of an outage: its begin and its end, and nothing between."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest
from tests.redis.test_settings import USER, opened, submit, without
from tests.redis_servers import RedisServer
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis import RedisStore

Act = Callable[[RedisServer], object]


def other_password(server: RedisServer) -> None:
    server.ask("ACL", "SETUSER", "mill", "resetpass", ">other")
    server.ask("CLIENT", "KILL", "USER", "mill")


def begun_again(server: RedisServer) -> None:
    server.start()
    without(server)


def restored(server: RedisServer) -> None:
    without(server)


OUTAGES: dict[str, tuple[Act, Act]] = {
    "no right to write": (lambda one: without(one, "-@write"), restored),
    "no right to one command": (lambda one: without(one, "-hset"), restored),
    "another password": (other_password, restored),
    "too few replicas": (
        lambda one: one.ask("CONFIG", "SET", "min-replicas-to-write", "1"),
        lambda one: one.ask("CONFIG", "SET", "min-replicas-to-write", "0"),
    ),
    "it became a replica": (
        lambda one: one.ask("REPLICAOF", "127.0.0.1", "1"),
        lambda one: one.ask("REPLICAOF", "NO", "ONE"),
    ),
    "killed": (RedisServer.kill, begun_again),
}


def used(store: RedisStore) -> bool:
    """All that an endpoint does each second, each in its own group; whether all of it succeeds."""
    well = True
    for verb in (store.stats, store.probe, store.nodes, lambda: store.purge(100)):
        try:
            with store.group():
                verb()
        except StoreUnavailable:
            well = False
    return well


@pytest.mark.parametrize("kind", OUTAGES)
def test_an_outage_is_two_lines(
    plain: RedisServer, kind: str, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    """The second one has its length in seconds."""
    begin, end = OUTAGES[kind]
    without(plain)
    store = opened(plain, access=USER)
    submit(store)
    begin(plain)
    for _ in range(6):
        assert not used(store)
    end(plain)
    until(lambda: used(store))
    lines = [msgspec.json.decode(one) for one in capfdbinary.readouterr().err.splitlines()]
    links = [one for one in lines if one["event"].startswith("store.link")]
    assert [one["event"] for one in links] == ["store.link_lost", "store.link_found"]
    assert links[1]["away_seconds"] > 0
    with suppress(StoreUnavailable):
        store.close()
