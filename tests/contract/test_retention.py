"""The verb `purge` and the bounds of what is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import OpenStore, Stand

from workmill.domain.job import NewJob
from workmill.domain.lifecycle import Status
from workmill.domain.limits import (
    DELIVERED_RETENTION_SECONDS,
    KNOWN_RETENTION_SECONDS,
    RESULT_RETENTION_SECONDS,
)
from workmill.store.retention import KNOWN_OVERHEAD_BYTES, Bounds

KNOWN_BYTES = 32 + 64 + KNOWN_OVERHEAD_BYTES


def there(stand: Stand, *jobs: NewJob) -> list[bool]:
    with stand.store.group():
        return [found is not None for found in stand.store.get([job.id for job in jobs])]


def test_every_end_is_kept_its_time_and_no_longer(stand: Stand) -> None:
    """Delivered ones for an hour, the other ends for a week, running ones for ever."""
    delivered, done, failed, cancelled, queued = jobs = [new_job() for _ in range(5)]
    stand.submit(*jobs[:4])
    for job, lease in zip(jobs[:2], stand.lease(2), strict=True):
        stand.complete(lease, state_of(job.id.hex(), 100))
    stand.fail(stand.lease_one(), retryable=False)
    stand.cancel(cancelled)
    assert [result.id for result in stand.pull(1).results] == [done.id]
    delivered, done = done, delivered
    stand.submit(queued)
    stand.clock.advance(DELIVERED_RETENTION_SECONDS - 1)
    assert stand.purge() == 0
    stand.clock.advance(2)
    assert stand.purge() == 1
    assert there(stand, delivered, done, failed, cancelled, queued) == [False] + [True] * 4
    stand.clock.advance(RESULT_RETENTION_SECONDS)
    assert stand.purge() == 3
    assert there(stand, done, failed, cancelled, queued) == [False, False, False, True]
    assert stand.stats().jobs == {**dict.fromkeys(Status, 0), Status.QUEUED: 1}


def test_a_purge_takes_no_more_than_it_may(stand: Stand) -> None:
    """A bounded part at a time, so that nobody waits long for it."""
    stand.submit(*(new_job(total=1) for _ in range(5)))
    stand.clock.advance(RESULT_RETENTION_SECONDS + 1)
    assert [stand.purge(2) for _ in range(4)] == [2, 2, 1, 0]


def test_an_abandoned_receipt_does_not_keep_results_for_ever(stand: Stand) -> None:
    """What was pulled and never acknowledged ends with the others."""
    stand.submit(job := new_job(total=1))
    stand.pull(receipt_seconds=60)
    stand.clock.advance(RESULT_RETENTION_SECONDS + 1)
    assert stand.purge() == 1
    assert there(stand, job) == [False]


def test_an_id_that_went_may_come_back_fenced(stand: Stand) -> None:
    """A worker that slept through it all cannot touch the new job under the old id."""
    stand.submit(old := new_job("a"))
    stale = stand.lease_one()
    stand.cancel(old)
    stand.clock.advance(RESULT_RETENTION_SECONDS + 1)
    assert stand.purge() == 1
    stand.submit(new_job("b", job_id=old.id))
    held = stand.lease_one()
    assert (held.id, held.token > stale.token) == (old.id, True)


def test_known_work_outlives_its_job_but_not_its_age(stand: Stand) -> None:
    """The cache is bounded by age."""
    stand.submit(job := new_job("a"))
    stand.finish(job, state_of("a", 100))
    stand.clock.advance(RESULT_RETENTION_SECONDS + 1)
    stand.purge()
    assert stand.submit(new_job("a"))[0].status is Status.DONE
    stand.clock.advance(KNOWN_RETENTION_SECONDS)
    assert stand.purge() == 2
    assert stand.submit(new_job("a"))[0].status is Status.QUEUED
    assert (stand.stats().known_jobs, stand.stats().known_bytes) == (0, 0)


@pytest.fixture
def small(open_store: OpenStore, tmp_path: Path) -> Iterator[Stand]:
    """A store that has room for three pieces of known work."""
    bounds = Bounds(max_known_bytes=3 * KNOWN_BYTES)
    stand = Stand(open_store, tmp_path / "small", bounds)
    yield stand
    stand.store.close()


def test_known_work_is_bounded_in_bytes(small: Stand) -> None:
    """The eldest goes first, and the counters tell the truth. All of it is about the same data: a
    store of several parts has this room in each."""
    totals = range(101, 106)
    for total in totals:
        small.submit(job := new_job("a", total=total))
        small.finish(job, state_of("a", total))
    stats = small.stats()
    assert (stats.known_jobs, stats.known_bytes) == (3, 3 * KNOWN_BYTES)
    again = small.submit(*(new_job("a", total=total) for total in totals))
    assert [reply.status for reply in again] == [Status.QUEUED] * 2 + [Status.DONE] * 3
    small.reopen()
    assert small.stats().known_bytes == 3 * KNOWN_BYTES
