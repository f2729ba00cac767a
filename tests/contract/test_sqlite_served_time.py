"""A service that stood still, or could not write: nobody loses a lease by that.

The store's clock is moved by hand here, but counts as the machine's.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import HandClock, Stand

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import Lease
from workmill.domain.lifecycle import Status
from workmill.domain.limits import LEASE_SECONDS, RESULT_RETENTION_SECONDS
from workmill.domain.retry import MAX_ATTEMPTS
from workmill.store.sqlite import SqliteStore, store

HOUR = 3600.0


@pytest.fixture
def stand(tmp_path: Path, disk: SickDisk, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stand]:
    assert not disk.full
    clock = HandClock()
    monkeypatch.setattr(store, "steady_clock", lambda: clock)
    made = Stand(lambda directory, _clock, _=None: SqliteStore(directory), tmp_path)
    made.clock = clock
    yield made
    made.store.close()


def serve(stand: Stand, seconds: float) -> None:
    """As an endpoint does at rest: a group a second, and a proof that changes are taken."""
    for _ in range(round(seconds)):
        stand.clock.advance(1)
        with stand.store.group():
            stand.store.probe()


def leased(stand: Stand) -> Lease:
    stand.submit(new_job("a"))
    return stand.lease_one()


def test_a_service_that_stood_still_takes_back_no_lease(stand: Stand) -> None:
    """It was stopped for longer than a lease, again and again: the first call afterwards is another
    worker's, and whoever holds the job renews it without a loss."""
    lease = leased(stand)
    for _ in range(MAX_ATTEMPTS + 1):
        serve(stand, 4)
        stand.clock.advance(HOUR)
        assert stand.lease(worker="w2") == []
        assert stand.renew(lease, 0, lease.state) == "applied"
    assert stand.stats().expired_leases_total == 0


def test_a_worker_that_does_not_come_back_loses_its_lease(stand: Stand) -> None:
    """The service serves for as long as the lease had left."""
    lease = leased(stand)
    stand.clock.advance(HOUR)
    serve(stand, LEASE_SECONDS - 3)
    assert stand.lease(worker="w2") == []
    serve(stand, 2)
    (again,) = stand.lease(worker="w2")
    assert (again.id, again.attempts) == (lease.id, 2)
    assert stand.stats().expired_leases_total == 1


def test_leases_outlive_a_disk_that_was_full(stand: Stand, disk: SickDisk) -> None:
    """No renewal was possible, though the service answered and its beats went on."""
    lease = leased(stand)
    disk.full = "-wal"
    for _ in range(60):
        stand.clock.advance(1)
        with stand.store.group():
            stand.store.nodes()
        with pytest.raises(StoreUnavailable):
            stand.renew(lease, 0, lease.state)
    disk.full = ""
    assert stand.lease(worker="w2") == []
    assert stand.renew(lease, 0, lease.state) == "applied"


def test_refusals_between_changes_that_are_kept_hold_up_no_lease(
    stand: Stand, disk: SickDisk
) -> None:
    """Only what passed since the last kept change does not count: a dead worker's job comes back
    though one call in two is refused."""
    lease = leased(stand)
    for _ in range(60):
        serve(stand, 1)
        disk.full = "-wal"
        with pytest.raises(StoreUnavailable):
            stand.submit(new_job("b"))
        disk.full = ""
    assert [again.id for again in stand.lease(worker="w2")] == [lease.id]


def test_a_receipt_outlives_a_stop(stand: Stand) -> None:
    """Its results go to nobody else meanwhile."""
    stand.submit(new_job(total=1))
    receipt = stand.pull(receipt_seconds=60)
    stand.clock.advance(HOUR)
    assert stand.pull().results == []
    assert stand.acknowledge(receipt) == 1


def test_retention_and_the_times_of_jobs_go_by_the_whole_time(stand: Stand) -> None:
    """What was stopped for a week begins with the time that it is."""
    stand.submit(old := new_job(total=1))
    stand.clock.advance(RESULT_RETENTION_SECONDS)
    stand.submit(new := new_job(total=1))
    assert stand.job(new).submitted_at_ms - stand.job(old).submitted_at_ms == (
        RESULT_RETENTION_SECONDS * 1000
    )
    assert stand.purge() == 1


def test_leases_have_their_time_from_an_opening_on(stand: Stand) -> None:
    """However long it was closed, and however long the first call is in coming."""
    lease = leased(stand)
    stand.clock.advance(HOUR)
    stand.reopen()
    stand.clock.advance(HOUR)
    assert stand.lease(worker="w2") == []
    assert stand.renew(lease, 0, lease.state) == "applied"
    assert stand.status(lease) is Status.LEASED


def test_a_receipt_outlives_a_start_after_a_standstill(stand: Stand) -> None:
    """It was given by a time that was an hour behind; the start counts from the store's again."""
    stand.submit(new_job(total=1))
    serve(stand, 2)
    stand.clock.advance(HOUR)
    receipt = stand.pull(receipt_seconds=300)
    stand.reopen()
    serve(stand, 200)
    assert stand.pull().results == []
    assert stand.acknowledge(receipt) == 1


def test_a_restore_counts_receipts_by_its_own_time(stand: Stand, tmp_path: Path) -> None:
    """What lay under a receipt comes back when that has run out, wherever it is restored."""
    stand.submit(new_job(total=1))
    stand.pull(receipt_seconds=60)
    stand.store.backup(tmp_path / "copy")
    serve(stand, 2)
    stand.clock.advance(HOUR)
    serve(stand, 2)
    stand.store.restore(tmp_path / "copy")
    assert len(stand.pull().results) == 1
