"""Settings become roles, and what a person wrote wrong is told before anything runs."""

from __future__ import annotations

import pytest

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.runtime.composition import endpoint_settings, open_store, where_kept
from workmill.runtime.config import EndpointConfig
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import Address


def test_a_password_is_not_shown() -> None:
    """The line that says where jobs are kept is printed and logged."""
    config = EndpointConfig(store=("redis://mill:hush@db", "rediss+sentinel://a,b,c/two"))
    assert where_kept(config) == ("redis://db:6379, rediss+sentinel://a:26379,b:26379,c:26379/two")
    assert where_kept(EndpointConfig(data="jobs")) == "jobs"


def test_a_wrong_address_is_refused_before_a_child_is_started() -> None:
    """A child that dies at once would be started again and again."""
    with pytest.raises(InvalidInput, match="begin with"):
        endpoint_settings(EndpointConfig(store=("http://db",)))
    with pytest.raises(InvalidInput, match="always synced"):
        endpoint_settings(EndpointConfig(durability="memory"))


def test_parts_may_each_be_under_sentinels_of_their_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each address is one part with its Sentinels and name, in the order given, and the level that
    a person chose holds for all."""
    opened: list[tuple[str, str | None, Level | None]] = []

    def survey(address: Address, _tag: str, *, level: Level | None, **_: object) -> None:
        opened.append((",".join(map(str, address.nodes)), address.name, level))
        raise StoreUnavailable(f"{address} is not there.")

    monkeypatch.setattr("workmill.store.sharded.open_shards.survey", survey)
    store = ("rediss+sentinel://a1,a2,a3/mill", "redis+sentinel://b1:1,b2:2,b3:3/other")
    with pytest.raises(StoreUnavailable, match="a1:26379,a2:26379,a3:26379/mill is not there"):
        open_store(EndpointConfig(store=store, durability="replicated"))
    assert sorted(opened) == [
        ("a1:26379,a2:26379,a3:26379", "mill", Level.REPLICATED),
        ("b1:1,b2:2,b3:3", "other", Level.REPLICATED),
    ]


def test_an_endpoint_knows_its_disk_and_its_network() -> None:
    """Its beats tell of the disk under its store, and of the address on the store's network."""
    own = endpoint_settings(EndpointConfig(data="jobs"))
    assert (own.directory, own.toward) == ("jobs", None)
    shared = endpoint_settings(EndpointConfig(store=("redis+sentinel://a,b,c/mill",)))
    assert (shared.directory, shared.toward) == ("/", "a")
    near = endpoint_settings(EndpointConfig(store=("redis+unix:///run/a.sock",)))
    assert near.toward is None


def test_several_addresses_are_the_parts_of_one_store() -> None:
    """Opening only the first of several would hide the jobs of the others."""
    nowhere = ("redis+unix:///nowhere/a.sock", "redis+unix:///nowhere/b.sock")
    with pytest.raises(StoreUnavailable):
        open_store(EndpointConfig(store=nowhere))
    with pytest.raises(InvalidInput, match="from 2 to 64 parts"):
        open_store(EndpointConfig(store=tuple(f"redis://h{number}" for number in range(65))))
