"""Keys of the Redis store that somebody removed or changed by hand: jobs that nobody would come
upon are told of, a backup and its restore bring them back, and no other job pays for them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import msgspec
import pytest
import redis
from tests.contract.conftest import open_redis, tag_of, unplaced_in
from tests.contract.making import fresh_id, new_job, state_of
from tests.contract.stand import Stand
from tests.redis_servers import client_of, link_to

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreDamaged
from workmill.domain.job import NewJob, Query
from workmill.domain.lifecycle import Status
from workmill.domain.limits import RESULT_RETENTION_SECONDS
from workmill.store.bounds import Bounds
from workmill.store.redis.part import PartStore
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
    more = [_like(leading), _like(leading), _like(jobs[39]), _like(jobs[39])]
    more.append(new_job(priority=7))
    stand.submit(*more)
    return jobs + more


def _like(job: NewJob) -> NewJob:
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
    stand.submit(msgspec.structs.replace(_like(jobs[20]), priority=9))
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


def test_many_lanes_do_not_hold_up_the_server(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """Beyond a bound the queue is not judged, rather than read whole or said to be amiss."""
    stand.submit(*(new_job(workload=f"kind {number}") for number in range(1200)))
    client.delete(f"{tag_of(tmp_path)}aq1200:0")
    assert unplaced_in(stand.store) == 0


@pytest.mark.parametrize("index", [*QUEUES, "leased", "o1", "pages", "live", "known"])
def test_a_verb_that_meets_something_else_there_takes_nothing_by_halves(
    stand: Stand, client: redis.Redis, tmp_path: Path, index: str
) -> None:
    """Redis takes back nothing of a function that ends in its midst: what was refused is not told
    to be there when it is submitted again, and nobody else's job is lost by it."""
    before = fill(stand)
    client.set(f"{tag_of(tmp_path)}a{index}", "by hand")
    refused = [new_job(), new_job(priority=7)]
    for _ in range(2):
        with suppress(StoreDamaged):
            stand.submit(*refused)
    with suppress(StoreDamaged):
        stand.purge()
    client.delete(f"{tag_of(tmp_path)}a{index}")
    others = [new_job() for _ in range(3)]
    stand.submit(*others)
    stand.submit(*refused)
    if index not in ("pages", "live"):  # of which a backup would say that it lacks jobs
        stand.store.backup(tmp_path / "copy")
        stand.store.restore(tmp_path / "copy")
    delivered = finish_all(stand)
    assert sorted(delivered) == sorted(job.id for job in [*before, *refused, *others])


@pytest.mark.parametrize("index", ["live", "q2:0"])
def test_a_place_never_comes_to_mean_another_job(
    stand: Stand, client: redis.Redis, tmp_path: Path, index: str
) -> None:
    """A submit ended in its midst has left places. Who submits next has other numbers, else a
    worker of one workload would be granted the jobs of another."""
    stand.submit(new_job(workload="wa"), new_job(workload="wb"))
    key = f"{tag_of(tmp_path)}a{index}"
    kept = client.dump(key)
    assert kept is not None
    client.set(key, "by hand")
    with pytest.raises(StoreDamaged):
        stand.submit(new_job(workload="wa"), new_job(workload="wb"))
    client.delete(key)
    client.restore(key, 0, kept)
    theirs = [new_job(workload="wb") for _ in range(3)]
    stand.submit(*theirs)
    places = [seq for lane in "12" for seq in client.lrange(f"{tag_of(tmp_path)}aq{lane}:0", 0, -1)]
    assert len(places) == len(set(places)) > 5 - (index == "q2:0")
    assert len(stand.lease(10, workloads=["wa"])) == 1
    assert {job.id for job in theirs} < {one.id for one in stand.lease(10, workloads=["wb"])}


def test_numbers_that_a_failed_submit_has_taken_do_not_disturb_a_listing(
    redis_url: str, tmp_path: Path, client: redis.Redis
) -> None:
    """The parts of a store of several are listed by ages, and these numbers have none."""

    def opened(directory: Path, clock: Clock, _: Bounds | None = None, /) -> PartStore:
        return PartStore(partial(link_to, redis_url, tag_of(directory)), clock=clock)

    stand = Stand(opened, tmp_path)
    jobs = [new_job() for _ in range(8)]
    stand.submit(*jobs[:4])
    key = f"{tag_of(tmp_path)}alive"
    kept = client.dump(key)
    assert kept is not None
    client.set(key, "by hand")
    with pytest.raises(StoreDamaged):
        stand.submit(*(new_job() for _ in range(4)))
    client.delete(key)
    client.restore(key, 0, kept)
    stand.submit(*jobs[4:])
    store, after = cast(PartStore, stand.store), None
    listed: list[bytes] = []
    for _ in range(8):
        with store.group():
            page = store.listed(Query(tenant="default", limit=1, after=after))
        listed += [job.id for _, job in page.jobs]
        after = page.next_age
    assert after is None
    assert listed == [job.id for job in reversed(jobs)]
    stand.store.close()


def test_an_edited_place_grants_and_delivers_only_what_belongs_there(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """Neither the job of another workload, nor the result of another tenant."""
    stand.submit(new_job(workload="wa"), new_job(workload="wb"))
    tag = tag_of(tmp_path)
    client.rpush(f"{tag}aq1:0", 1)
    assert len(stand.lease(10, workloads=["wa"])) == 1
    for tenant in ("mine", "theirs"):
        stand.submit(new_job(tenant=tenant))
    for lease in stand.lease(2):
        stand.complete(lease, state_of("any", 1))
    (theirs,) = (key for key in client.keys(f"{tag}ao[0-9]*") if client.zscore(key, _packed(3)))
    (mine,) = (key for key in client.keys(f"{tag}ao[0-9]*") if key != theirs)
    client.zadd(mine, {_packed(3): stand.clock.now_ms})
    assert len(stand.pull(tenant="mine").results) == 1
    assert len(stand.pull(tenant="theirs").results) == 1


def _packed(seq: int) -> bytes:
    return seq.to_bytes(5, "big")


def test_a_purge_takes_only_what_has_come_to_that_end(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """A function that ended in its midst leaves places of jobs that are not delivered, nor failed:
    they wait for nobody's purge. A job that has two places goes, and counts, once."""
    jobs = [new_job() for _ in range(6)]
    stand.submit(*jobs)
    for lease in stand.lease(3):
        stand.complete(lease, state_of("any", 1))
    stand.pull(1)
    stand.cancel(jobs[5])
    tag = tag_of(tmp_path)
    for name in ("delivered", "ended"):
        client.rpush(f"{tag}a{name}", *(str(seq) for seq in (0, 1, 2, 3, 4, 5) * 2))
    client.zadd(f"{tag}ao1", {_packed(seq): 1 for seq in (3, 4)})
    stand.clock.advance(RESULT_RETENTION_SECONDS - 60)
    before = stand.stats()
    stand.purge()
    after = stand.stats()
    lost = Counter(before.jobs) - Counter(after.jobs)
    assert lost == {"delivered": 1}
    stand.clock.advance(120)
    stand.purge()
    assert Counter(after.jobs) - Counter(stand.stats().jobs) == {"done": 2, "cancelled": 1}
    assert stand.stats().jobs["queued"] == 2
    assert [stand.status(job) for job in jobs[3:5]] == [Status.QUEUED] * 2
    assert client.hget(f"{tag}abooks", "delivered_bytes") == b"0"


@pytest.mark.parametrize("gone", ["leader", "attached"])
@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
def test_a_job_whose_key_is_gone_takes_no_other_with_it(
    stand: Stand, client: redis.Redis, tmp_path: Path, gone: str, end: str
) -> None:
    """Those that wait for the same work get it while its leader is there, and it can end. Where
    the leader itself is gone that is told, and a backup that would lack it is refused."""
    leader = new_job()
    stand.submit(leader)
    attached = [_like(leader), _like(leader)]
    stand.submit(*attached)
    lease = stand.lease_one()
    lost = leader if gone == "leader" else attached[0]
    client.delete(f"{tag_of(tmp_path)}aj".encode() + lost.id)
    stand.status(attached[1])
    stand.submit(attached[1])
    if end == "complete":
        stand.complete(lease, state_of("any", 1))
    elif end == "cancel":
        stand.cancel(leader)
    else:
        stand.fail(lease, retryable=False)
    stand.clock.advance(61)
    delivered = set(finish_all(stand))
    if gone == "leader":
        assert stand.status(attached[1]) is Status.ATTACHED
        assert unplaced_in(stand.store) == 1
        with pytest.raises(StoreDamaged, match="or not as it was"):
            stand.store.backup(tmp_path / "copy")
        return
    failed = end == "fail"
    assert (attached[1].id in delivered) is not failed
    assert stand.status(attached[1]) is (Status.FAILED if failed else Status.DELIVERED)


def test_a_place_that_is_there_twice_is_granted_once(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """A list that was copied behind itself holds no more jobs than before."""
    stand.submit(*(new_job() for _ in range(10)))
    key = f"{tag_of(tmp_path)}aq1:0"
    client.rpush(key, *client.lrange(key, 0, -1))
    leases = stand.lease(20)
    assert len(leases) == len({lease.id for lease in leases}) == 10
    assert {stand.complete(lease, state_of("any", 1)).value for lease in leases} == {"applied"}
