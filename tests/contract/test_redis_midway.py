"""A Redis function that ended in its midst, or a place that was edited: nobody's job is mistaken
for another, granted twice, delivered to others, or purged before its end."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import cast

import pytest
import redis
from tests.contract.conftest import open_redis, tag_of, unplaced_in
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand
from tests.contract.test_redis_unplaced import QUEUES, fill, finish_all, like
from tests.redis_servers import client_of, link_to

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreDamaged
from workmill.domain.job import Query
from workmill.domain.lifecycle import Status
from workmill.domain.limits import RESULT_RETENTION_SECONDS
from workmill.store.redis.shard_store import PartStore
from workmill.store.retention import Bounds


@pytest.fixture
def stand(redis_url: str, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(partial(open_redis, redis_url), tmp_path)
    yield made
    made.store.close()


@pytest.fixture
def client(redis_url: str) -> Iterator[redis.Redis]:
    with client_of(redis_url) as opened:
        yield opened


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
    attached = [like(leader), like(leader)]
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
