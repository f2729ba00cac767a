"""Keys of the Redis store that somebody removed by hand: no job is left where nobody comes by."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path

import msgspec
import pytest
import redis
from tests.contract.conftest import open_redis, tag_of
from tests.contract.making import fresh_id, new_job, state_of
from tests.contract.stand import Stand
from tests.redis_servers import client_of

from workmill.domain.errors import StoreDamaged
from workmill.domain.job import Lease, NewJob
from workmill.domain.lifecycle import Status
from workmill.store.redis import mending

Hurt = Callable[[redis.Redis, str], object]
QUEUES = ("q1:0", "q1:-7", "b1:0", "ranks1")
INDEXES = (*QUEUES, "leased", "o1", "receipts", "r1", "a9", "a39", "pages")
HURTS: dict[str, Hurt] = {
    "deleted": lambda client, key: client.delete(key),
    "renamed": lambda client, key: client.exists(key) and client.rename(key, f"{key}-aside"),
    "expired": lambda client, key: client.pexpire(key, -1),
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


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    heard: list[str] = []
    monkeypatch.setattr(mending, "emit", lambda name, **_: heard.append(name))
    return heard


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
@pytest.mark.parametrize("index", [*INDEXES, "all"])
def test_an_index_that_is_gone_is_derived_anew(
    stand: Stand, client: redis.Redis, tmp_path: Path, index: str, how: str
) -> None:
    """Whatever was removed, every job is computed and delivered once, and the counts are right."""
    jobs = fill(stand)
    before = stand.stats()
    for name in INDEXES[:-1] if index == "all" else [index]:
        HURTS[how](client, f"{tag_of(tmp_path)}a{name}")
    stand.purge()
    assert sum(stand.stats().jobs.values()) == sum(before.jobs.values())
    assert sorted(finish_all(stand)) == sorted(job.id for job in jobs)
    after = stand.stats()
    assert after.jobs["delivered"] == sum(after.jobs.values()) == len(jobs)
    assert after.backlog_iterations == 0


@pytest.mark.parametrize("index", [*QUEUES, "leased", "o1", "receipts"])
def test_what_stands_in_the_place_of_an_index_goes(
    stand: Stand, client: redis.Redis, tmp_path: Path, index: str
) -> None:
    """A string over a list or a set is as good as nothing there."""
    jobs = fill(stand)
    client.set(f"{tag_of(tmp_path)}a{index}", "by hand")
    stand.purge()
    assert sorted(finish_all(stand)) == sorted(job.id for job in jobs)


@pytest.mark.parametrize("index", [*QUEUES, "leased", "o1", "pages", "live", "known"])
def test_a_verb_that_meets_something_else_there_takes_nothing_by_halves(
    stand: Stand, client: redis.Redis, tmp_path: Path, index: str
) -> None:
    """Redis takes back nothing of a function that ends in its midst: what was refused is not told
    to be there when it is submitted again, and nobody else's job is lost by it."""
    before = fill(stand)
    client.set(f"{tag_of(tmp_path)}a{index}", "by hand")
    refused = [new_job(), new_job(priority=7)]
    with suppress(StoreDamaged):
        stand.submit(*refused)
    with suppress(StoreDamaged):
        stand.submit(*refused)
    with suppress(StoreDamaged):
        stand.purge()
    if index in ("pages", "live", "known"):
        client.delete(f"{tag_of(tmp_path)}a{index}")
    others = [new_job() for _ in range(3)]
    stand.submit(*others)
    stand.submit(*refused)
    delivered = finish_all(stand)
    assert sorted(delivered) == sorted(job.id for job in [*before, *refused, *others])
    after = stand.stats()
    assert after.jobs["delivered"] == sum(after.jobs.values()) == len(delivered)


def test_a_holder_of_a_lease_that_was_forgotten_goes_on(
    stand: Stand, client: redis.Redis, tmp_path: Path
) -> None:
    """It is not charged for what somebody removed: its lease is given time, its word is heard."""
    stand.submit(new_job())
    lease = stand.lease_one()
    client.delete(f"{tag_of(tmp_path)}aleased")
    stand.purge()
    assert stand.lease(1) == []
    assert stand.complete(lease, state_of("any", 1)).value == "applied"


def test_verbs_go_on_while_a_long_queue_is_lined_up(
    stand: Stand,
    client: redis.Redis,
    tmp_path: Path,
    said: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Between two slices jobs are submitted, leased, handed back and cancelled; each stays one."""
    monkeypatch.setattr(mending, "SLICES", 1)
    jobs = [new_job() for _ in range(6000)]
    stand.submit(*jobs)
    client.delete(f"{tag_of(tmp_path)}aq1:0")
    held: list[Lease] = []
    while "store.mended" not in said:
        jobs.append(new_job())
        stand.submit(jobs[-1])
        stand.purge()
        held += stand.lease(5, lease_seconds=600)
        if held:
            stand.fail(held.pop(), retryable=True)
        stand.cancel(jobs[len(held)])
    cancelled = stand.stats().jobs["cancelled"]
    for lease in held:
        stand.complete(lease, state_of("any", 1))
    delivered = finish_all(stand)
    assert len(set(delivered)) == len(delivered) == len(jobs) - cancelled


def test_what_is_nowhere_is_told_once(
    stand: Stand, client: redis.Redis, tmp_path: Path, said: list[str]
) -> None:
    """Jobs whose own keys are gone cannot be put back: it is looked for them once, and said."""
    jobs = [new_job() for _ in range(5)]
    stand.submit(*jobs)
    tag = tag_of(tmp_path)
    client.delete(f"{tag}aq1:0", *(f"{tag}aj".encode() + job.id for job in jobs[:2]))
    for _ in range(6):
        stand.purge()
    assert said == ["store.mending", "store.mended"]
    assert len(stand.lease(10)) == 3
    client.delete(f"{tag}aleased")
    stand.purge()
    assert said[2:] == ["store.mending", "store.mended"]


@pytest.mark.parametrize("gone", ["leader", "attached"])
@pytest.mark.parametrize("end", ["complete", "cancel", "fail"])
def test_a_job_whose_key_is_gone_takes_no_other_with_it(
    stand: Stand, client: redis.Redis, tmp_path: Path, gone: str, end: str
) -> None:
    """Those that wait for the same work get it, and whoever leads it can end."""
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
    failed = end == "fail" and gone == "attached"
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


def test_queues_are_left_alone_where_no_page_tells_what_was_in_them(
    stand: Stand, client: redis.Redis, tmp_path: Path, said: list[str]
) -> None:
    """To line up anew what cannot be walked would lose the rest, so it is refused and said."""
    jobs = fill(stand)
    for name in ("leased", "pages", "live"):
        client.delete(f"{tag_of(tmp_path)}a{name}")
    with pytest.raises(StoreDamaged, match="pages"):
        stand.purge()
    assert said == []
    assert len(stand.lease(100)) == sum(stand.status(job) is Status.LEASED for job in jobs) - 3


def test_a_look_at_a_sound_store_writes_nothing(
    stand: Stand, client: redis.Redis, tmp_path: Path, said: list[str]
) -> None:
    """Places of jobs that were cancelled or raised are no sign of damage."""
    jobs = fill(stand)
    for job in jobs:
        if stand.status(job) is Status.QUEUED:
            stand.cancel(job)
            break
    before = client.dump(f"{tag_of(tmp_path)}abooks")
    stand.purge()
    assert said == []
    assert client.dump(f"{tag_of(tmp_path)}abooks") == before
