"""A clock that was wrong at a start: nothing that nobody fetched is purged by it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import Stand

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import NewJob
from workmill.domain.limits import (
    DELIVERED_RETENTION_SECONDS,
    KNOWN_RETENTION_SECONDS,
    RESULT_RETENTION_SECONDS,
)
from workmill.store.sqlite import SqliteStore, clock_leaps

DAY = 24 * 3600.0
Events = list[tuple[str, float]]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """What was said about leaps, with their seconds."""
    said: Events = []
    monkeypatch.setattr(
        clock_leaps, "emit", lambda event, **fields: said.append((event, fields["leap_seconds"]))
    )
    return said


@pytest.fixture
def stand(tmp_path: Path, events: Events) -> Iterator[Stand]:
    made = Stand(lambda directory, clock, _=None: SqliteStore(directory, clock=clock), tmp_path)
    assert events == []
    yield made
    made.store.close()


def unread(stand: Stand, count: int = 3) -> list[NewJob]:
    jobs = [new_job(total=1) for _ in range(count)]
    stand.submit(*jobs)
    return jobs


def test_results_of_a_slow_clock_outlive_its_correction(stand: Stand, events: Events) -> None:
    """Dated nine days back, they are past their retention with the right time; they are kept."""
    unread(stand)
    stand.clock.advance(9 * DAY)
    stand.reopen()
    assert stand.purge() == 0
    assert events == [("store.clock_leapt", 9 * DAY)]
    assert len(stand.pull(receipt_seconds=5).results) == 3


def test_a_leap_counts_after_a_day(stand: Stand, events: Events) -> None:
    """Then the new time is the time: what is past its retention goes, and that is said."""
    unread(stand)
    stand.clock.advance(9 * DAY)
    stand.reopen()
    stand.clock.advance(DAY - 1)
    assert stand.purge() == 0
    with stand.store.group():
        stand.store.probe()  # as an endpoint does every few seconds
    stand.reopen()
    stand.clock.advance(2)
    assert stand.purge() == 3
    assert events[-1] == ("store.clock_confirmed", 9 * DAY)


def test_a_leap_that_was_an_error_costs_no_result_its_retention(stand: Stand) -> None:
    """The clock was right, then nine days ahead at one start, then right again."""
    unread(stand)
    stand.clock.advance(9 * DAY)
    stand.reopen()
    unread(stand)
    stand.clock.advance(60 - 9 * DAY)
    stand.reopen()
    stand.clock.advance(2 * DAY)
    assert stand.purge() == 0
    stand.clock.advance(RESULT_RETENTION_SECONDS - 2 * DAY - 60)
    assert stand.purge() == 0
    stand.clock.advance(60)
    assert stand.purge() == 6


def test_a_leap_that_was_an_error_does_not_keep_everything_for_longer(stand: Stand) -> None:
    """A clock that was once a year ahead: the store's time stays there, and what is delivered then
    still goes after its hour. Starts in between, with a clock that is behind, put off nothing."""
    unread(stand)
    stand.clock.advance(365 * DAY)
    stand.reopen()
    stand.clock.advance(-365 * DAY)
    for _ in range(7):
        stand.reopen()
        stand.clock.advance(DAY)
        with stand.store.group():
            stand.store.probe()
    assert stand.purge() == 3
    unread(stand)
    assert len(stand.pull().results) == 3
    stand.clock.advance(DELIVERED_RETENTION_SECONDS)
    assert stand.purge() == 3


def test_a_clock_that_went_back_is_told_too(stand: Stand, events: Events) -> None:
    """Whoever set it, or lost it, hears that the store goes on with the later time."""
    unread(stand)
    stand.clock.advance(-2 * DAY)
    stand.reopen()
    assert events == [("store.clock_leapt", -2 * DAY)]


def test_two_leaps_hold_retention_as_long_as_both(stand: Stand, events: Events) -> None:
    """A second one, met before the first was confirmed, does not make the first one count."""
    unread(stand)
    for _ in range(2):
        stand.clock.advance(5 * DAY)
        stand.reopen()
        with stand.store.group():
            stand.store.probe()
    assert stand.purge() == 0
    stand.clock.advance(DAY)
    assert stand.purge() == 3
    assert events[-1] == ("store.clock_confirmed", 10 * DAY)


def test_retention_goes_on_by_the_time_before_the_leap(stand: Stand) -> None:
    """A leap holds nothing up for ever: what was due without it goes when it is due."""
    unread(stand)
    stand.clock.advance(RESULT_RETENTION_SECONDS - 10)
    unread(stand, 2)
    stand.clock.advance(2 * 3600)
    stand.reopen()
    stand.clock.advance(20)
    assert stand.purge() == 3


@pytest.mark.parametrize("seconds", [60.0, 3599.0])
def test_a_short_rest_is_no_leap(stand: Stand, events: Events, seconds: float) -> None:
    """Nothing is said, and retention goes on."""
    unread(stand)
    stand.clock.advance(RESULT_RETENTION_SECONDS - seconds / 2)
    unread(stand, 1)
    stand.clock.advance(seconds)
    stand.reopen()
    assert events == []
    assert stand.purge() == 3


def test_known_work_is_kept_over_a_leap_too(stand: Stand) -> None:
    """It is purged by age like results are."""
    stand.submit(job := new_job("a"))
    stand.finish(job, b"v" * 64)
    stand.clock.advance(KNOWN_RETENTION_SECONDS + DAY)
    stand.reopen()
    assert stand.purge() == 0
    assert stand.stats().known_jobs == 1


def test_an_old_backup_is_not_purged_as_it_is_restored(
    stand: Stand, events: Events, tmp_path: Path
) -> None:
    """Nobody could fetch what was in it since it was taken."""
    unread(stand)
    stand.store.backup(tmp_path / "copy")
    stand.clock.advance(30 * DAY)
    stand.store.restore(tmp_path / "copy")
    assert stand.purge() == 0
    assert events == [("store.clock_leapt", 30 * DAY)]


def test_a_restore_that_fails_does_not_move_the_time_on(disk: SickDisk, tmp_path: Path) -> None:
    """Its backup is of a clock a month ahead, and the disk is full at the commit: nothing is
    purged by that month, and no lease ends by it."""

    def opened(directory: Path, clock: Clock, _: object = None) -> SqliteStore:
        return SqliteStore(directory, clock=clock)

    ahead, stand = Stand(opened, tmp_path / "ahead"), Stand(opened, tmp_path / "store")
    ahead.clock.advance(30 * DAY)
    unread(ahead)
    ahead.store.backup(tmp_path / "copy")
    ahead.store.close()
    unread(stand)
    stand.submit(new_job("w"))
    lease = stand.lease_one()
    disk.full = "store/jobs.db-wal"
    with pytest.raises(StoreUnavailable, match="Nothing was changed"):
        stand.store.restore(tmp_path / "copy")
    disk.full = ""
    assert stand.purge() == 0
    assert stand.lease() == []
    assert stand.renew(lease, 50, b"s" * 64) == "applied"
    assert len(stand.pull().results) == 3
    stand.store.close()


@pytest.mark.parametrize("days", [9, -9])
def test_a_clock_that_is_set_while_the_store_is_open_is_told_once(
    events: Events, days: int
) -> None:
    """The store goes on with its own time; the next opening meets the leap."""
    wall = [1_000_000_000]
    drift = clock_leaps.Drift(lambda: wall[0])
    drift.tell(wall[0])
    wall[0] += days * 24 * 3600 * 1000
    for _ in range(2):
        drift.tell(1_000_000_000)
    assert events == [("store.clock_leapt", days * DAY)]


def test_leases_and_receipts_get_time_after_a_leap(stand: Stand) -> None:
    """A worker that renews within seconds keeps its job; a receipt is honoured."""
    unread(stand)
    receipt = stand.pull(receipt_seconds=60)
    stand.submit(new_job("w"))
    lease = stand.lease_one()
    stand.clock.advance(9 * DAY)
    stand.reopen()
    assert stand.renew(lease, 50, b"s" * 64) == "applied"
    assert stand.acknowledge(receipt) == 3
