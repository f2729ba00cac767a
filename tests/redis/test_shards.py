"""A store of several parts over real servers: where jobs go, and what one part's death costs."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

import msgspec
import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import HandClock, Stand
from tests.redis.shards import TAG, away, open_on
from tests.redis_servers import RedisServer
from tests.system.processes import until

from workmill.domain.errors import InvalidInput, StorePartlyUnavailable
from workmill.domain.job import (
    Acknowledgement,
    Completion,
    LeaseRequest,
    NewJob,
    PullRequest,
    Submitted,
    Verdict,
)
from workmill.domain.lifecycle import Status
from workmill.store.redis.lua_library import load
from workmill.store.redis.primary_link import RedisLink
from workmill.store.redis.record_codec import AGE_STEPS
from workmill.store.redis.shard_store import PartStore
from workmill.store.sharded import ShardedStore
from workmill.store.sharded.open_shards import CAUTIOUS_MS, open_sharded
from workmill.store.sharded.placement import home, place


def fresh(store: ShardedStore, part: int) -> NewJob:
    """A job that the endpoint names, whose work belongs to this part."""
    while True:
        job = new_job()
        if place(job.key, 2) == part:
            job_id = store.new_id(job.key)
            return msgspec.structs.replace(job, id=job_id, fresh=True)


def chosen(target: int, at_home: int, parts: int = 2) -> NewJob:
    """A job whose client chose the id: its work belongs to one part, its id to another."""
    while True:
        job = new_job()
        if (place(job.key, parts), home(job.id, parts)) == (target, at_home):
            return job


def submit(store: ShardedStore, *jobs: NewJob) -> list[Submitted]:
    with store.group():
        return store.submit(jobs)


def held(server: RedisServer) -> int:
    """How many jobs lie on this server."""
    return len(server.ask("KEYS", TAG + "aj*"))


def test_an_id_with_other_work_is_in_conflict_in_every_part(servers: list[RedisServer]) -> None:
    """Whichever part the new work and the id belong to, the first job under an id stands."""
    store = open_on(servers[:2])
    for target in range(2):
        for at_home in range(2):
            job = chosen(target, at_home)
            others = [new_job(job_id=job.id, data=str(number)) for number in range(6)]
            assert {place(other.key, 2) for other in others} == {0, 1}
            first, *rest = submit(store, job, *others[:3]) + submit(store, *others[3:])
            assert (first.created, first.conflict) == (True, False)
            assert [one.conflict for one in rest] == [True] * 6
    with store.group():
        assert store.stats().submitted_total == 4
    store.close()


def test_a_claim_without_a_job_leads_the_repeat_to_the_same_part(
    servers: list[RedisServer],
) -> None:
    """An endpoint died between claim and submit: the id is not lost, and names one job."""
    store = open_on(servers[:2])
    job = chosen(target=1, at_home=0)
    other = new_job("other data", job_id=job.id)
    with store.group():
        store._directory.settle([job])
    assert (held(servers[0]), held(servers[1])) == (0, 0)
    (first, second) = submit(store, other, job)
    assert (first.created, second.conflict) == (True, True)
    assert held(servers[1]) == 1
    store.close()


def test_every_verb_finds_jobs_that_another_endpoint_submitted(
    servers: list[RedisServer],
) -> None:
    """By the id itself, or by the note at its home; nothing is remembered here."""
    store = open_on(servers[:2])
    jobs = [chosen(target, at_home) for target in range(2) for at_home in range(2)]
    jobs += [fresh(store, 0), fresh(store, 1)]
    submit(store, *jobs)
    other = open_on(servers[:2])
    with other.group():
        found = other.get([job.id for job in jobs])
        assert [one.id for one in found if one] == [job.id for job in jobs]
        assert other.cancel([job.id for job in jobs]) == [Verdict.APPLIED] * 6
        assert other.cancel([b"?" * 16]) == [Verdict.UNKNOWN]
    store.close()
    other.close()


def test_one_redis_grows_into_several_parts(servers: list[RedisServer]) -> None:
    """Jobs from before stay where they are, and a repeat of their submit finds them."""
    clock = HandClock()
    alone = PartStore(partial(RedisLink, servers[0].address, TAG, prepare=load), clock=clock)
    old = [new_job(str(number)) for number in range(40)]
    with alone.group():
        alone.submit(old[:20])
    alone.close()
    two = open_on(servers[:2], clock)
    assert not any(one.created for one in submit(two, *old[:20]))
    assert all(one.created for one in submit(two, *old[20:]))
    two.close()
    three = open_on(servers, clock)
    assert not any(one.created for one in submit(three, *old))
    with three.group():
        assert all(three.get([job.id for job in old]))
        assert three.stats().submitted_total == 40
        leases = three.lease(request(100))
    assert [one.id for one in leases] == [job.id for job in old]
    assert held(servers[2]) == 0
    new = [new_job() for _ in range(40)]
    submit(three, *new)
    assert held(servers[2]) > 0
    three.close()


def request(most: int) -> LeaseRequest:
    return LeaseRequest(
        worker="w",
        workloads=("sha512",),
        min_jobs=most,
        max_jobs=most,
        max_cost=0,
        lease_seconds=60,
    )


def test_notes_leave_when_their_jobs_are_gone(servers: list[RedisServer]) -> None:
    """A directory does not grow for ever; what is used again meanwhile stays."""
    clock = HandClock()
    store = open_on(servers[:2], clock)
    gone, kept = chosen(target=1, at_home=0), chosen(target=1, at_home=0)
    submit(store, gone, kept)
    with store.group():
        store.cancel([gone.id])
    clock.advance(8 * 24 * 3600)
    for _ in range(512):
        with store.group():
            store.purge(10)
    assert len(servers[0].ask("KEYS", TAG + "ah*")) == 1
    assert not submit(store, kept)[0].created
    store.close()


def test_one_part_down_stops_only_its_own_work(servers: list[RedisServer]) -> None:
    """Its jobs are refused one by one; all else goes on, is told apart, and it comes back."""
    store = open_on(servers[:2])
    here, there = fresh(store, 0), fresh(store, 1)
    submit(store, here, there)
    servers[1].kill()
    more = [fresh(store, 0), fresh(store, 1), fresh(store, 0)]
    with pytest.raises(StorePartlyUnavailable) as lost, store.group():  # noqa: PT012 - at its end
        answers = store.submit(more)
        found = store.get([here.id, there.id])
        verdicts = store.cancel([there.id])
        leases = store.lease(request(10))
    assert set(lost.value.lost_of(answers)) == {1}
    assert set(lost.value.lost_of(found)) == {1}
    assert verdicts == [Verdict.UNAVAILABLE]
    assert [one.id for one in leases] == [here.id, more[0].id, more[2].id]
    assert not lost.value.lost_of(leases)
    with store.group():
        stats = store.stats()
    assert stats.unavailable == (str(servers[1].node),)
    items = [Completion(id=one.id, token=one.token, state=b"r" * 64) for one in leases]
    with store.group():
        assert store.complete(items) == [Verdict.APPLIED] * 3
        pulled = store.pull(PullRequest(top=10, receipt_seconds=60))
        assert store.acknowledge([Acknowledgement(receipt=pulled.receipt or b"")]) == [3]
    servers[1].start()
    until(lambda: not away(store))
    with store.group():
        (job,) = store.get([there.id])
        assert job is not None
        assert job.status is Status.QUEUED
        assert store.stats().submitted_total == 4
    assert submit(store, more[1])[0].created
    store.close()


def test_a_part_that_hangs_is_waited_for_once(servers: list[RedisServer]) -> None:
    """Paused, not dead: the first group tells its jobs from the others', the next ones go on while
    it hangs, and when it runs again it is back by itself."""
    store = open_sharded([server.address for server in servers[:2]])
    servers[1].pause()
    jobs = [fresh(store, 0), fresh(store, 1)]
    with pytest.raises(StorePartlyUnavailable) as lost, store.group():
        answers = store.submit(jobs)
    assert set(lost.value.lost_of(answers)) == {1}
    assert submit(store, fresh(store, 0))[0].created
    assert away(store) == (str(servers[1].address),)
    servers[1].resume()
    until(lambda: not away(store))
    submit(store, *jobs)
    with store.group():
        assert store.stats().submitted_total == 3
    store.close()


def test_a_part_that_only_reads_is_waited_for_once(
    servers: list[RedisServer], capfd: pytest.CaptureFixture[str]
) -> None:
    """It answers, and refuses every change, as one does that has lost its replicas: it stays away
    until it writes again, and is lost once and found once."""
    store = open_on(servers[:2])
    submit(store, fresh(store, 0), fresh(store, 1))
    servers[1].ask("CONFIG", "SET", "min-replicas-to-write", "1")
    refused = [fresh(store, 1), fresh(store, 1)]
    for job in refused:
        with pytest.raises(StorePartlyUnavailable):
            submit(store, job)
        until(lambda: _refusals(servers[1]) > 3)
        assert away(store) == (str(servers[1].node),)
        assert submit(store, fresh(store, 0))[0].created
    servers[1].ask("CONFIG", "SET", "min-replicas-to-write", "0")
    until(lambda: not away(store))
    assert [one.created for one in submit(store, *refused)] == [True, True]
    events = [line for line in capfd.readouterr().err.splitlines() if "store.part_" in line]
    assert len(events) == 2
    store.close()


def _refusals(server: RedisServer) -> int:
    """How many calls the server has refused for want of replicas."""
    found = re.search(rb"errorstat_NOREPLICAS:count=(\d+)", server.ask("INFO", "errorstats"))
    return int(found[1]) if found else 0


def test_a_store_opens_with_a_partaway(servers: list[RedisServer]) -> None:
    """An endpoint started during an outage serves the rest, and the part when it is back."""
    store = open_on(servers[:2])
    submit(store, there := fresh(store, 1))
    store.close()
    servers[1].kill()
    again = open_on(servers[:2])
    assert submit(again, fresh(again, 0))[0].created
    servers[1].start()
    until(lambda: not away(again))
    with again.group():
        assert again.get([there.id]) != [None]
    again.close()


def test_the_order_is_that_of_submits_whatever_the_parts(servers: list[RedisServer]) -> None:
    """Many batches over three parts are leased, listed and pulled in one order."""
    stand = Stand(lambda _, clock, __=None: open_on(servers, clock), Path())
    jobs = [new_job() for _ in range(300)]
    for start in range(0, 300, 7):
        stand.submit(*jobs[start : start + 7])
    leases = [one for _ in range(6) for one in stand.lease(50)]
    assert [one.id for one in leases] == [job.id for job in jobs]
    for lease in leases:
        stand.complete(lease, state_of("r", 100))
        stand.clock.advance(0.001)
    pulled = [one.id for _ in range(3) for one in stand.pull(100).results]
    assert pulled == [job.id for job in reversed(jobs)]
    stand.store.close()


def test_a_part_that_joins_makes_claims_careful_for_a_while() -> None:
    """As long as a job may be kept after its end, and a day more."""
    assert CAUTIOUS_MS == 8 * 24 * 3600 * 1000
    assert AGE_STEPS == 2048


def test_a_backup_goes_into_more_parts_and_not_into_fewer(
    servers: list[RedisServer], tmp_path: Path
) -> None:
    """Parts that were added since are emptied; ids are found and kept from other work again."""
    two = open_on(servers[:2])
    jobs = [chosen(target, at_home) for target in range(2) for at_home in range(2)]
    submit(two, *jobs)
    two.backup(tmp_path / "copy")
    two.close()
    three = open_on(servers)
    submit(three, *(new_job() for _ in range(20)))
    three.backup(tmp_path / "larger")
    three.restore(tmp_path / "copy")
    with three.group():
        assert all(three.get([job.id for job in jobs]))
        assert three.stats().jobs[Status.QUEUED] == 4
    clash = [new_job(job_id=job.id) for job in jobs]
    assert not any(one.created for one in submit(three, *jobs, *clash))
    three.close()
    with pytest.raises(InvalidInput, match="has 3 parts, and this store 2"):
        open_on(servers[:2]).restore(tmp_path / "larger")


def test_work_that_lies_in_one_part_is_leased_in_full(servers: list[RedisServer]) -> None:
    """A part that shows its share only is asked again when all of it is taken."""
    store = open_on(servers)
    jobs = [job for job in (new_job() for _ in range(300)) if place(job.key, 3) == 1][:60]
    submit(store, *jobs)
    with store.group():
        leases = store.lease(request(60))
    assert [one.id for one in leases] == [job.id for job in jobs]
    with store.group():
        store.complete([Completion(id=one.id, token=one.token, state=b"r" * 64) for one in leases])
        assert len(store.pull(PullRequest(top=60)).results) == 60
    store.close()
