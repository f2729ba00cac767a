"""The verbs `pull` and `acknowledge`: a result is kept until it has arrived."""

from __future__ import annotations

import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.job import NewJob, Pulled, Verdict
from workmill.domain.lifecycle import Status


def ids(pulled: Pulled) -> list[bytes]:
    return [result.id for result in pulled.results]


@pytest.fixture
def done(stand: Stand) -> list[NewJob]:
    """Three finished jobs, a second apart, the eldest first."""
    jobs = [new_job(data) for data in "abc"]
    for job in jobs:
        stand.submit(job)
        stand.finish(job, state_of(job.id.hex(), 100))
        stand.clock.advance(1)
    return jobs


def test_the_latest_comes_first_and_each_once(stand: Stand, done: list[NewJob]) -> None:
    """Without a receipt a result is delivered by the pull itself."""
    first, second, third = done
    pulled = stand.pull(2)
    assert (ids(pulled), pulled.receipt) == ([third.id, second.id], None)
    assert pulled.results[0].state == state_of(third.id.hex(), 100)
    assert ids(stand.pull(2)) == [first.id]
    assert ids(stand.pull(2)) == []
    assert stand.status(first) is Status.DELIVERED
    assert stand.stats().delivered_total == 3


def test_the_latest_finished_not_the_latest_submitted(stand: Stand) -> None:
    """The order is that of the ends."""
    stand.submit(old := new_job(), new := new_job())
    late, early = stand.lease(2)
    stand.complete(early, b"x" * 64)
    stand.clock.advance(1)
    stand.complete(late, b"y" * 64)
    assert ids(stand.pull()) == [old.id, new.id]


def test_a_tenant_pulls_its_own_results_only(stand: Stand, done: list[NewJob]) -> None:
    """One tenant never sees another's data, nor can it acknowledge it away."""
    assert ids(stand.pull(tenant="other")) == []
    pulled = stand.pull(receipt_seconds=60)
    assert stand.acknowledge(pulled, tenant="other") == 0
    assert stand.acknowledge(pulled) == len(done)


def test_an_acknowledged_receipt_is_delivered(stand: Stand, done: list[NewJob]) -> None:
    """In parts or as a whole; a repeat finds nothing left to do."""
    pulled = stand.pull(receipt_seconds=60)
    assert pulled.receipt
    assert ids(stand.pull(receipt_seconds=60)) == []
    assert stand.acknowledge(pulled, done[0].id, new_job().id) == 1
    assert [stand.status(job) for job in done] == [Status.DELIVERED, Status.PULLED, Status.PULLED]
    assert stand.acknowledge(pulled) == 2
    assert stand.acknowledge(pulled) == 0
    assert stand.stats().delivered_total == 3


def test_returned_results_come_back_at_once(stand: Stand, done: list[NewJob]) -> None:
    """Their receiver is gone: the next pull has them, in their order, and nothing is counted as
    delivered. What was acknowledged before stays delivered, and a repeat finds nothing to do."""
    first, second, third = done
    pulled = stand.pull(receipt_seconds=60)
    assert stand.acknowledge(pulled, third.id) == 1
    assert stand.give_back(pulled, first.id) == 1
    assert ids(stand.pull(receipt_seconds=60)) == [first.id]
    assert stand.give_back(pulled) == 1
    assert stand.give_back(pulled) == 0
    assert ids(stand.pull()) == [second.id]
    assert stand.stats().delivered_total == 2


def test_unacknowledged_results_come_back(stand: Stand, done: list[NewJob]) -> None:
    """Nothing is lost between "pulled" and "received"; every pull has a receipt of its own."""
    lapsed = stand.pull(receipt_seconds=5)
    stand.clock.advance(5)
    again = stand.pull(receipt_seconds=5)
    assert ids(again) == ids(lapsed)
    assert again.receipt != lapsed.receipt
    assert stand.acknowledge(lapsed) == 0
    assert stand.acknowledge(again) == len(done)


def test_a_late_acknowledgement_counts_until_the_next_pull(
    stand: Stand, done: list[NewJob]
) -> None:
    """A receipt that has run out is honoured as long as nobody has come for the results."""
    pulled = stand.pull(receipt_seconds=5)
    stand.clock.advance(3600)
    assert stand.acknowledge(pulled) == len(done)


def test_receipts_survive_a_new_owner(stand: Stand, done: list[NewJob]) -> None:
    """A restart between pull and acknowledge loses nothing and delivers nothing twice."""
    pulled = stand.pull(receipt_seconds=60)
    stand.reopen()
    assert ids(stand.pull()) == []
    assert stand.acknowledge(pulled) == len(done)


def test_failed_and_cancelled_jobs_are_no_results(stand: Stand) -> None:
    """Only values are pulled."""
    stand.submit(new_job(), new_job())
    failed, cancelled = stand.lease(2)
    stand.fail(failed, retryable=False)
    stand.cancel(cancelled)
    assert ids(stand.pull()) == []


def test_a_finished_job_cannot_be_cancelled(stand: Stand, done: list[NewJob]) -> None:
    """Its result is there: the cancel is refused and nothing changes."""
    assert stand.cancel(*done) == [Verdict.REFUSED] * 3
    assert len(ids(stand.pull())) == 3
    assert stand.cancel(new_job()) == [Verdict.UNKNOWN]
