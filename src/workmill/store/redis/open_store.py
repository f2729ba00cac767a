"""From an address to a store: the link, its functions, the verbs, and the second layer."""

from __future__ import annotations

from functools import partial
from typing import Final

from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.address_survey import check_alone, is_gone, survey
from workmill.store.redis.addresses import Address
from workmill.store.redis.lua_library import load
from workmill.store.redis.primary_link import Pace, RedisLink
from workmill.store.redis.resubmission import REMEMBERED_SECONDS, ResubmittingStore
from workmill.store.redis.shard_store import PartStore
from workmill.store.retention import Bounds

HEALED_MS: Final = round((REMEMBERED_SECONDS - 20) * 1000)
"""What is lost of the time before is submitted again by the second layer, which remembers a little
more: its clock and the store's numbers need not agree to the second."""
TAG: Final = "{w}"
"""The hash tag under which all keys of a store lie."""


def open_redis(
    address: Address,
    *,
    level: Level | None = None,
    bounds: Bounds | None = None,
    may_found: bool = True,
) -> ResubmittingStore:
    """Open one logical Redis. Raises StoreUnavailable when it cannot be reached or does not keep
    what the level promises; InvalidInput when it is one of several; StoreDamaged when there is no
    store and none `may_found` be."""
    seen = survey(address, TAG, level=level, pace=Pace())
    check_alone(seen)
    if not may_found and not seen.holds_store:
        raise is_gone(seen.name)
    return open_part(address, level=level, bounds=bounds, may_found=may_found)[1]


def open_part(
    address: Address,
    *,
    level: Level | None = None,
    bounds: Bounds | None = None,
    pace: Pace | None = None,
    may_found: bool = True,
) -> tuple[PartStore, ResubmittingStore]:
    """The same for a store that is one part of several: its own verbs, and the second layer."""
    connect = partial(RedisLink, address, TAG, level=level, prepare=load, pace=pace)
    store = PartStore(connect, bounds=bounds, heals_ms=HEALED_MS, may_found=may_found)
    outer = ResubmittingStore(store, lambda: store.history)
    store.when_restored = outer.forget
    return store, outer
