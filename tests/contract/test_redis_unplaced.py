"""Keys of the Redis store that somebody removed or changed by hand: jobs that nobody would come
upon are told of, a backup and its restore bring them back, and no other job pays for them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest
import redis
from tests.contract.conftest import open_redis, tag_of, unplaced_in
from tests.contract.job_factory import fresh_id, new_job, state_of
from tests.contract.store_drivers import Stand
from tests.redis_servers import client_of

from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.domain.job import NewJob
from workmill.store.redis.unplaced import LOOK_SECONDS, Unplaced

Hurt = Callable[[redis.Redis, str], object]
QUEUES = ("q1:0", "q1:-7", "b1:0", "ranks1")
TOLD = (*QUEUES, "leased", "o1", "receipts")
GROUPS = ("a9", "a39")
HURTS: dict[str, Hurt] = {
    "deleted": lambda client, key: client.delete(key),
    "renamed": lambda client, key: client.exists(key) and client.rename(key, f"{key}-aside"),
    "expired": lambda client, key: client.pexpire(key, -1),
    "replaced": lambda client, key: client.set(key, "by hand"),
}


@pytest.fixture
def stand(redis_url: str, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(partial(open_redis, redis_url), tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with client_of(redis_url) as opened:
        yield opened


def fill(stand: Stand) -> list[NewJob]:
    """Jobs of every status that is not an end, some of them come back and some attached."""
    jobs = [new_job(priority=7 if number in (5, 30) else 0) for number in range(40)]
    stand.submit(*jobs)
    held = stand.lease(12, lease_seconds=60)
    for lease in held[:6]:
        stand.complete(lease, state_of("any", 1))
    stand.pull(3, receipt_seconds=60)
    for lease in held[6:9]:
        stand.fail(lease, retryable=True)
    leading = next(job for job in jobs if job.id == held[10].id)
    more = [like(leading), like(leading), like(jobs[39]), like(jobs[39])]
    more.append(new_job(priority=7))
    stand.submit(*more)
    return jobs + more


def like(job: NewJob) -> NewJob:
    return msgspec.structs.replace(job, id=fresh_id())


def finish_all(stand: Stand) -> list[bytes]:
    """Everything that can be leased is completed, everything that can be pulled is."""
    delivered: list[bytes] = []
    for _ in range(4):
        with suppress(StoreDamaged):
            stand.purge()
        while leases := stand.lease(100):
            assert len({lease.id for lease in leases}) == len(leases)
            for lease in leases:
                stand.complete(lease, state_of("any", 1))
        while results := stand.pull(1000).results:
            delivered += [result.id for result in results]
        stand.clock.advance(61)
    return delivered


@pytest.mark.parametrize("how", HURTS)
@pytest.mark.parametrize("index", [*TOLD, *GROUPS, "all"])
def test_a_backup_and_its_restore_bring_back_what_lost_its_place(
    stand: Stand, client: redis.Redis, tmp_path: Path, index: str, how: str
) -> None:
    """It is told, nothing is removed for it, and every job is computed and delivered once."""
    jobs = fill(stand)
    for name in (*TOLD, *GROUPS) if index == "all" else [index]:
        HURTS[how](client, f"{tag_of(tmp_path)}a{name}")
    there = sorted(client.keys(f"{tag_of(tmp_path)}a*"))
    found = unplaced_in(stand.store)
    assert sorted(client.keys(f"{tag_of(tmp_path)}a*")) == there
    assert (found > 0) is (index not in GROUPS), "groups are seen when nothing else runs"
    stand.store.backup(tmp_path / "copy")
    stand.store.restore(tmp_path / "copy")
    assert unplaced_in(stand.store) == 0
    assert sorted(finish_all(stand)) == sorted(job.id for job in jobs)
    after = stand.stats()
    assert after.jobs["delivered"] == sum(after.jobs.values()) == len(jobs)
    assert after.backlog_iterations == 0


def test_jobs_attached_to_work_that_is_gone_are_told_of_when_nothing_else_runs(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """Their group was removed, and its leader is done."""
    jobs = fill(stand)
    for name in GROUPS:
        client.delete(f"{tag_of(tmp_path)}a{name}")
    assert len(finish_all(stand)) == len(jobs) - 4
    assert unplaced_in(stand.store) == 4


def test_a_look_finds_nothing_in_a_sound_store(stand: Stand, tmp_path: Path) -> None:
    """Whatever jobs go through: cancelled, raised, attached, lapsed, brought back, restored."""
    jobs = fill(stand)
    assert unplaced_in(stand.store) == 0
    stand.submit(msgspec.structs.replace(like(jobs[20]), priority=9))
    for job in jobs[12:20]:
        stand.cancel(job)
        assert unplaced_in(stand.store) == 0
    for seconds in (61, 61, 61):
        stand.pull(1, receipt_seconds=30)
        stand.lease(2, lease_seconds=10)
        assert unplaced_in(stand.store) == 0
        stand.clock.advance(seconds)
        stand.purge()
        assert unplaced_in(stand.store) == 0
    stand.store.backup(tmp_path / "copy")
    finish_all(stand)
    assert unplaced_in(stand.store) == 0
    stand.store.restore(tmp_path / "copy")
    assert unplaced_in(stand.store) == 0
    finish_all(stand)
    assert unplaced_in(stand.store) == 0


def test_the_service_tells_of_them_until_they_are_back(
    stand: Stand, client: redis.Redis, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    """How many there are, and what to do; one event when it begins and one when it is over."""
    now = 0.0
    stand.store.unplaced = Unplaced(lambda: now)  # type: ignore[attr-defined]
    stand.submit(*(new_job() for _ in range(5)))
    stand.purge()
    assert stand.stats().warnings == ()
    client.ltrim(f"{tag_of(tmp_path)}aq1:0", 3, -1)
    stand.purge()
    assert stand.stats().warnings == (), "not before it is time for a look"
    for _ in range(3):
        now += LOOK_SECONDS
        stand.purge()
    (said,) = stand.stats().warnings
    assert " 3 jobs" in said
    assert "`workmill backup`" in said
    assert "`workmill restore`" in said
    stand.store.backup(tmp_path / "copy")
    stand.store.restore(tmp_path / "copy")
    now += LOOK_SECONDS
    stand.purge()
    assert stand.stats().warnings == ()
    told = capfd.readouterr().err
    assert told.count("store.jobs_unplaced") == told.count("store.jobs_placed") == 1


def test_a_queue_that_is_served_is_left_as_it_is(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """Pages, their counts and the leases are gone and one more submit has begun a page: the places
    of all others stand, and purging goes on."""
    stand.submit(*(new_job() for _ in range(30)))
    stand.lease(3)
    for name in ("pages", "live", "leased"):
        client.delete(f"{tag_of(tmp_path)}a{name}")
    stand.submit(new_job())
    for _ in range(3):
        stand.purge()
    assert unplaced_in(stand.store) == 3
    assert len(client.lrange(f"{tag_of(tmp_path)}aq1:0", 0, -1)) == 28
    assert len(stand.lease(100)) == 28


def test_a_backup_that_would_lack_whole_pages_of_jobs_is_refused(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """The list of pages is gone with their counts, and one more submit has begun both anew: what is
    there agrees with itself, and not with how many jobs there are."""
    stand.submit(*(new_job() for _ in range(2000)))
    for name in ("pages", "live", "leased"):
        client.delete(f"{tag_of(tmp_path)}a{name}")
    stand.submit(*(new_job() for _ in range(200)))
    with pytest.raises(StoreDamaged):
        stand.store.backup(tmp_path / "copy")
    assert not (tmp_path / "copy").exists()
    assert len(stand.lease(3000)) > 2000


def test_a_look_that_may_not_look_says_nothing(stand: Stand, client: redis.Redis) -> None:
    """A right that was taken away is no damage."""
    stand.submit(new_job())
    client.acl_setuser("default", enabled=True, nopass=True, commands=["-lrange"])
    try:
        with pytest.raises(StoreUnavailable):
            unplaced_in(stand.store)
    finally:
        client.acl_setuser("default", enabled=True, nopass=True, categories=["+@all"])
    assert unplaced_in(stand.store) == 0


def test_many_lanes_do_not_hold_up_the_server(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """Beyond a bound the queue is not judged, rather than read whole or said to be amiss."""
    stand.submit(*(new_job(workload=f"kind {number}") for number in range(1200)))
    client.delete(f"{tag_of(tmp_path)}aq1200:0")
    assert unplaced_in(stand.store) == 0
