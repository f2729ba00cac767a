"""What a backup of a store must stand that others go on using, and a restore that is cut short."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.contract.conftest import open_redis, tag_of
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand
from tests.redis_servers import client_of, link_to

from workmill.domain.clock import Clock
from workmill.domain.errors import InvalidInput, StoreDamaged, StoreUnavailable
from workmill.domain.job import Job, NewJob, PullRequest, Query, Verdict
from workmill.domain.lifecycle import FINISHED, RUNNING, Status
from workmill.store.redis import RedisStore, backup_file
from workmill.store.redis.link_port import Link
from workmill.store.retention import Bounds

Before = Callable[[str], None]
"""Hears the name of every function before it is called."""


class WatchedLink:
    """A link that lets a test act, or fail, before each call."""

    def __init__(self, link: Link, before: Before) -> None:
        self._link = link
        self._before = before
        self.confirm, self.close = link.confirm, link.close

    @property
    def history(self) -> str | None:
        return self._link.history

    @property
    def warnings(self) -> tuple[str, ...]:
        return self._link.warnings

    def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
        self._before(function)
        return self._link.call(function, payload, writes=writes)


def watched(url: str, before: Before) -> Callable[..., RedisStore]:
    def open_store(directory: Path, clock: Clock, bounds: Bounds | None = None) -> RedisStore:
        def connect() -> Link:
            return WatchedLink(link_to(url, tag_of(directory)), before)

        return RedisStore(connect, clock=clock, bounds=bounds)

    return open_store


class Crowd:
    """Others who use the store: a seeded mixture of verbs, noting what was acknowledged."""

    def __init__(self, stand: Stand, seed: int) -> None:
        self.stand = stand
        self.dice = random.Random(seed)
        self.submitted: dict[bytes, NewJob] = {}

    def submit(self, count: int) -> None:
        jobs = [
            new_job(str(self.dice.randrange(400)), total=self.dice.choice([1, 50, 100]))
            for _ in range(count)
        ]
        self.stand.submit(*jobs)
        self.submitted |= {job.id: job for job in jobs}

    def act(self) -> None:
        """Leases, of which some are completed, handed back or cancelled; pulls; new jobs."""
        stand, dice = self.stand, self.dice
        for lease in stand.lease(30):
            what = dice.randrange(5)
            if what < 2:
                stand.complete(lease, state_of(lease.id.hex(), lease.total))
            elif what == 2:
                stand.cancel(lease)
            elif what == 3:
                stand.release(lease)
        stand.cancel(*dice.sample(list(self.submitted.values()), 10))
        stand.pull(10, receipt_seconds=dice.choice([None, 60]))
        self.submit(20)


def all_jobs(stand: Stand) -> list[Job]:
    found, after = list[Job](), None
    while True:
        with stand.store.group():
            page = stand.store.find(Query(after=after, limit=500))
        found += page.jobs
        after = page.next_after
        if after is None:
            return found


@pytest.mark.parametrize("seed", range(3))
def test_a_backup_of_a_busy_store_is_one_store(redis_url: str, tmp_path: Path, seed: int) -> None:
    """Whatever happens between its slices: each job that was there is in it, the books agree with
    the jobs, no work is led twice, and all of it can be brought to its end."""
    busy = Stand(watched(redis_url, lambda _: None), tmp_path / "busy")
    crowd = Crowd(busy, seed)
    crowd.submit(2500)
    crowd.act()
    before = {job.id: job.submitted_at_ms for job in all_jobs(busy)}
    busy.clock.advance(5)

    def meddle(function: str) -> None:
        if function.endswith(("dump_jobs", "dump_known")):
            crowd.act()

    reader = watched(redis_url, meddle)(tmp_path / "busy", busy.clock)
    reader.backup(tmp_path / "copy")
    reader.close()
    other = Stand(watched(redis_url, lambda _: None), tmp_path / "other")
    other.store.restore(tmp_path / "copy")

    jobs = all_jobs(other)
    assert {job.id: job.submitted_at_ms for job in jobs} == before
    stats = other.stats()
    assert stats.jobs == {s: sum(job.status is s for job in jobs) for s in Status}
    queued = [job for job in jobs if job.status is Status.QUEUED]
    assert stats.backlog_iterations == sum(job.total - job.done for job in queued)
    assert len({(job.key, job.total) for job in queued}) == len(queued)
    assert stats.jobs[Status.LEASED] == stats.jobs[Status.PULLED] == 0
    while leases := other.lease(100):
        for lease in leases:
            assert other.complete(lease, state_of("any", 1)) is Verdict.APPLIED
    assert not [job for job in all_jobs(other) if job.status in RUNNING]
    waiting = sum(job.status is Status.DONE for job in all_jobs(other))
    with other.store.group():
        assert len(other.store.pull(PullRequest(top=10_000)).results) == waiting
    other.store.close()
    busy.store.close()


def test_a_restore_that_is_cut_short_changes_nothing(redis_url: str, tmp_path: Path) -> None:
    """The old store serves on, and a later restore begins anew."""
    failing = [True]

    def break_off(function: str) -> None:
        if failing[0] and function.endswith(("load_names", "load_end")):
            raise StoreUnavailable("gone")

    stand = Stand(watched(redis_url, break_off), tmp_path / "store")
    stand.submit(kept := new_job("a"), new_job("b"))
    stand.store.backup(tmp_path / "copy")
    stand.submit(later := new_job("c"))
    before = stand.stats()
    with pytest.raises(StoreUnavailable):
        stand.store.restore(tmp_path / "copy")
    assert stand.stats() == before
    assert stand.status(later) is Status.QUEUED
    with client_of(redis_url) as client:
        assert not list(client.scan_iter(f"{tag_of(tmp_path / 'store')}b*"))
    with pytest.raises(StoreUnavailable, match="Another restore"):
        stand.store.restore(tmp_path / "copy")
    failing[0] = False
    with client_of(redis_url) as client:
        client.delete(tag_of(tmp_path / "store") + "loading")  # as its expiry would
    stand.store.restore(tmp_path / "copy")
    assert stand.status(kept) is Status.QUEUED
    with stand.store.group():
        assert stand.store.get([later.id]) == [None]
    stand.store.close()


def test_a_restore_leaves_no_key_of_the_old_store(redis_url: str, tmp_path: Path) -> None:
    """Nor anything of its own making: memory holds one store."""
    stand = Stand(watched(redis_url, lambda _: None), tmp_path / "store")
    tag = tag_of(tmp_path / "store")
    Crowd(stand, 1).submit(50)
    stand.store.backup(tmp_path / "copy")
    with client_of(redis_url) as client:
        for letter in (b"b", b"a", b"b"):
            stand.store.restore(tmp_path / "copy")
            names = {
                key[len(tag) :][:1] for key in client.scan_iter(f"{tag}*") if key != tag.encode()
            }
            assert names == {letter, b"m"}, "the mark stands beside what is restored"
    stand.store.close()


def test_a_whole_file_with_an_impossible_job_is_refused(redis_url: str, tmp_path: Path) -> None:
    """A sound checksum does not make sense of nonsense."""
    stand = Stand(watched(redis_url, lambda _: None), tmp_path / "store")
    stand.submit(new_job("a"))
    stand.store.backup(tmp_path / "copy")
    frames = list(backup_file.frames(tmp_path / "copy"))
    for damage in (b"", b"\0" * 20, b"\xff" * 200):
        with (tmp_path / "bad").open("wb") as file:
            writer = backup_file.Writer(file)
            for kind, items in frames:
                writer.add(kind, [damage] if kind == "jobs" else items)
            writer.end()
        with pytest.raises(InvalidInput, match="Nothing was changed"):
            stand.store.restore(tmp_path / "bad")
    assert stand.stats().jobs[Status.QUEUED] == 1
    stand.store.close()


def test_finished_work_of_a_backup_is_still_a_result(redis_url: str, tmp_path: Path) -> None:
    """What was pulled and not acknowledged comes back; what was delivered does not."""
    stand = Stand(partial(watched(redis_url, lambda _: None)), tmp_path / "store")
    stand.submit(*(jobs := [new_job(total=1) for _ in range(3)]))
    delivered = stand.pull(1).results
    pulled = stand.pull(1, receipt_seconds=60).results
    stand.store.backup(tmp_path / "copy")
    stand.store.restore(tmp_path / "copy")
    back = {result.id for result in stand.pull().results}
    assert back == {job.id for job in jobs} - {delivered[0].id}
    assert pulled[0].id in back
    assert all(stand.status(job) in FINISHED for job in jobs)
    stand.store.close()


@pytest.fixture
def clean_stand(redis_url: str, tmp_path: Path) -> Iterator[Stand]:
    made = Stand(partial(open_redis, redis_url), tmp_path / "clean")
    yield made
    made.store.close()


def test_a_part_that_no_store_makes_is_refused(tmp_path: Path, clean_stand: Stand) -> None:
    """It is not taken for the name of a function."""
    with (tmp_path / "odd").open("wb") as file:
        writer = backup_file.Writer(file)
        writer.add("switch", [b"x"])
        writer.end()
    with pytest.raises(InvalidInput, match="switch"):
        clean_stand.store.restore(tmp_path / "odd")


@pytest.mark.parametrize("damage", ["cut", "bit", "twice", "more", "sqlite", "empty", "text"])
def test_a_damaged_backup_is_refused(tmp_path: Path, clean_stand: Stand, damage: str) -> None:
    """Cut short, a bit turned, two in one file, another kind: refused, and nothing is changed."""
    stand = clean_stand
    stand.submit(job := new_job())
    stand.store.backup(tmp_path / "copy")
    raw = (tmp_path / "copy").read_bytes()
    middle = len(raw) // 2
    damaged = {
        "cut": raw[:-40],
        "bit": raw[:middle] + bytes([raw[middle] ^ 1]) + raw[middle + 1 :],
        "twice": raw + raw,
        "more": raw + b"x",
        "sqlite": b"SQLite format 3\0" + raw,
        "empty": b"",
        "text": backup_file.MAGIC,
    }[damage]
    (tmp_path / "damaged").write_bytes(damaged)
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(tmp_path / "damaged")
    assert stand.status(job) is Status.QUEUED


def test_a_backup_during_which_another_endpoint_restores_is_refused(
    redis_url: str, tmp_path: Path
) -> None:
    """Else it would hold jobs of two times: some of before the restore, some of after it."""
    acts = list[Callable[[], None]]()

    def restore(function: str) -> None:
        if acts and function.endswith("dump_jobs"):
            acts.pop()()

    stand = Stand(watched(redis_url, restore), tmp_path / "store")
    other = Stand(partial(open_redis, redis_url), tmp_path / "store")
    stand.submit(*(new_job(str(number)) for number in range(5)))
    stand.store.backup(tmp_path / "old")
    stand.submit(*(new_job(str(number)) for number in range(5)))
    acts.append(lambda: other.store.restore(tmp_path / "old"))
    with pytest.raises(StoreUnavailable, match="restored meanwhile"):
        stand.store.backup(tmp_path / "new")
    assert not (tmp_path / "new").exists()
    assert stand.stats().jobs[Status.QUEUED] == 5, "and its endpoint goes on with what is there"
    stand.store.backup(tmp_path / "new")
    other.store.restore(tmp_path / "new")
    for one in (stand, other):
        one.store.close()


@pytest.mark.parametrize("key", ["pages", "p0", "job"])
def test_a_backup_that_would_lack_jobs_is_refused(redis_url: str, tmp_path: Path, key: str) -> None:
    """Somebody has removed a key by hand: the backup of before is not replaced by one without."""
    stand = Stand(partial(open_redis, redis_url), tmp_path / "store")
    stand.submit(*(jobs := [new_job(str(number)) for number in range(800)]))
    stand.store.backup(tmp_path / "copy")
    good = (tmp_path / "copy").read_bytes()
    name = f"{tag_of(tmp_path / 'store')}a".encode()
    with client_of(redis_url) as client:
        assert client.delete(name + (b"j" + jobs[-1].id if key == "job" else key.encode()))
    with pytest.raises(StoreDamaged, match="would lack jobs"):
        stand.store.backup(tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == good
    stand.store.restore(tmp_path / "copy")
    assert stand.stats().jobs[Status.QUEUED] == 800
    stand.store.close()
