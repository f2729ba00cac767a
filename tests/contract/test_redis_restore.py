"""What a restore leaves that was given up or killed: nothing is served of it, or stays for long."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import tag_of
from tests.contract.job_factory import new_job
from tests.contract.store_drivers import Stand
from tests.contract.test_redis_backup import WatchedLink, watched
from tests.redis_servers import client_of, link_to

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreUnavailable
from workmill.domain.lifecycle import Status
from workmill.store.redis import RedisStore
from workmill.store.redis.connection import ANSWER_SECONDS
from workmill.store.redis.link_port import Link
from workmill.store.redis.primary_link import PATIENCE_SECONDS
from workmill.store.retention import Bounds
from workmill.store.sharded.restore_barrier import STAY_SECONDS

LONGEST_SILENCE_MS = 1000 * (ANSWER_SECONDS + PATIENCE_SECONDS + STAY_SECONDS)
"""More than this a restore that lives is never silent for."""


def test_a_switch_that_comes_late_finds_no_half_cleared_store(
    redis_url: str, tmp_path: Path
) -> None:
    """The last word of a restore is lost on the way, the restore is given up, and the word arrives
    while its keys are being removed: it changes nothing. Else every job would be gone."""
    late = list[tuple[Link, str, bytes]]()

    class SlowLink(WatchedLink):
        def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
            if function.endswith("load_switch"):
                late.append((link_to(redis_url, tag_of(tmp_path / "store")), function, payload))
                raise StoreUnavailable("no answer")
            answer = super().call(function, payload, writes=writes)
            if late and function.endswith("load_clear"):
                link, switch, word = late.pop()
                with suppress(StoreUnavailable):
                    link.call(switch, word, writes=True)
                link.close()
            return answer

    def open_store(directory: Path, clock: Clock, bounds: Bounds | None = None) -> RedisStore:
        def connect() -> Link:
            return SlowLink(link_to(redis_url, tag_of(directory)), lambda _: None)

        return RedisStore(connect, clock=clock, bounds=bounds)

    stand = Stand(open_store, tmp_path / "store")
    stand.submit(*(kept := [new_job(str(number)) for number in range(20)]))
    stand.store.backup(tmp_path / "copy")
    with pytest.raises(StoreUnavailable):
        stand.store.restore(tmp_path / "copy")
    assert not late, "it has arrived"
    assert [stand.status(job) for job in kept] == [Status.QUEUED] * 20
    stand.store.close()


def test_what_a_killed_restore_has_left_goes_with_the_purges(
    redis_url: str, tmp_path: Path
) -> None:
    """A part at a time, and not while another restore may be filling it."""
    dead = list[bool]()

    def die(function: str) -> None:
        if dead or function.endswith("load_switch"):
            dead.append(True)
            raise StoreUnavailable("killed")

    stand = Stand(watched(redis_url, die), tmp_path / "store")
    stand.submit(kept := new_job("a"))
    stand.store.backup(tmp_path / "copy")
    with pytest.raises(StoreUnavailable):
        stand.store.restore(tmp_path / "copy")
    dead.clear()
    tag = tag_of(tmp_path / "store")
    with client_of(redis_url) as client:
        assert LONGEST_SILENCE_MS < client.pttl(f"{tag}loading") <= 20_000, "then the next may come"

        def left() -> int:
            with stand.store.group():
                stand.store.purge(10)
            return sum(1 for _ in client.scan_iter(f"{tag}b*", count=10_000))

        client.mset({f"{tag}b{number}": "" for number in range(60_000)})
        assert left() > 60_000
        client.delete(f"{tag}loading")  # as its expiry would
        assert 0 < left() <= 60_000
        assert min(left() for _ in range(10)) == 0
        assert not client.exists(f"{tag}rest")
    assert stand.status(kept) is Status.QUEUED
    stand.store.close()
