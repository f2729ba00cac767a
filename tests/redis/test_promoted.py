"""A replica's own settings count from the moment that it is the primary."""

from __future__ import annotations

import pytest
from tests.redis.test_settings import submit, takes
from tests.redis_servers import ReplicatedRedis, store_at
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis import RedisStore

BAD = [
    ("appendfsync", "everysec", "always"),
    ("appendonly", "no", "yes"),
    ("no-appendfsync-on-rewrite", "yes", "no"),
    ("maxmemory-policy", "allkeys-lru", "noeviction"),
]


def unsafe(store: RedisStore) -> str | None:
    """What it is refused for, if that is a setting."""
    try:
        with store.group():
            store.probe()
    except StoreUnavailable as error:
        return error.detail if "does not keep" in error.detail else None
    return None


@pytest.mark.parametrize(("name", "value", "right"), BAD)
def test_a_promoted_replica_is_judged_as_at_a_start(
    watched: ReplicatedRedis,
    name: str,
    value: str,
    right: str,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Nothing is acknowledged on it, which setting it is stands in the log and in the refusal,
    from which readiness is told; and it is gone on with when that is right."""
    store = store_at(watched.address)
    submit(store)
    old = watched.primary()
    for replica in watched.replicas():
        replica.ask("CONFIG", "SET", name, value)
    watched.sentinels[0].ask("SENTINEL", "FAILOVER", "mill")
    until(lambda: watched.primary() is not old)
    said = until(lambda: unsafe(store))
    assert f"{watched.primary().node} does not keep what it acknowledges" in said
    assert f"Set {name} {right}" in said
    for one in watched.servers:
        one.ask("CONFIG", "SET", name, right)
    until(lambda: takes(store))
    log = capfdbinary.readouterr().err
    assert (log.count(b'"store.unsafe"'), log.count(b'"store.safe"')) == (1, 1)
    store.close()
