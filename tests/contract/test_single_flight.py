"""Attached jobs: the same work is computed once, however many wait for it."""

from __future__ import annotations

from tests.contract.making import new_job, state_of
from tests.contract.stand import Stand

from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status


def test_a_hundred_submits_of_running_work_compute_it_once(stand: Stand) -> None:
    """100 submits, one lease, 100 results, each under its own id."""
    jobs = [new_job("a") for _ in range(100)]
    replies = stand.submit(*jobs[:50]) + stand.submit(*jobs[50:])
    assert [reply.status for reply in replies] == [Status.QUEUED] + [Status.ATTACHED] * 99
    stand.finish(jobs[0], state_of("a", 100))
    results = stand.pull(200).results
    assert {result.id for result in results} == {job.id for job in jobs}
    assert {result.state for result in results} == {state_of("a", 100)}
    assert stand.stats().iterations_done_total == 99


def test_leased_work_is_attached_to_as_well(stand: Stand) -> None:
    """It does not matter whether a worker has begun; a new owner of the store knows it too."""
    first, second = new_job("a"), new_job("a")
    stand.submit(first)
    lease = stand.lease_one()
    stand.reopen()
    assert stand.submit(second)[0].status is Status.ATTACHED
    stand.complete(lease, state_of("a", 100))
    assert stand.job(second).state == state_of("a", 100)


def test_an_attached_job_shows_the_progress_of_the_one_it_waits_for(stand: Stand) -> None:
    """Its owner sees how far the work has come."""
    first, second = new_job("a"), new_job("a")
    stand.submit(first, second)
    stand.renew(stand.lease_one(), 40, state_of("a", 40))
    assert (stand.job(second).done, stand.job(second).state) == (40, state_of("a", 40))


def test_the_eldest_attached_takes_over_from_a_cancelled_job(stand: Stand) -> None:
    """It goes on from the checkpoint, the others wait for it, and the old holder is stale."""
    first, second, third = (new_job("a") for _ in range(3))
    stand.submit(first, second, third)
    lease = stand.lease_one()
    stand.renew(lease, 40, state_of("a", 40))
    assert stand.cancel(first) == [Verdict.APPLIED]
    assert [stand.status(job) for job in (first, second, third)] == [
        Status.CANCELLED,
        Status.QUEUED,
        Status.ATTACHED,
    ]
    assert stand.complete(lease, state_of("a", 100)) is Verdict.STALE
    heir = stand.lease_one()
    assert (heir.id, heir.done, heir.state) == (second.id, 40, state_of("a", 40))
    stand.complete(heir, state_of("a", 100))
    assert stand.status(third) is Status.DONE


def test_one_batch_may_cancel_the_heir_too(stand: Stand) -> None:
    """A cancel meets what the one before it in the batch has left."""
    first, second, third = (new_job("a") for _ in range(3))
    stand.submit(first, second, third)
    assert stand.cancel(first, second, first) == [
        Verdict.APPLIED,
        Verdict.APPLIED,
        Verdict.REFUSED,
    ]
    assert stand.status(third) is Status.QUEUED


def test_a_cancelled_attached_job_leaves_the_work_alone(stand: Stand) -> None:
    """Only its own wait ends."""
    first, second = new_job("a"), new_job("a")
    stand.submit(first, second)
    stand.cancel(second)
    stand.finish(first, state_of("a", 100))
    assert stand.status(second) is Status.CANCELLED


def test_attached_jobs_are_buried_with_their_leader(stand: Stand) -> None:
    """Work that cannot be done fails for everyone who waits for it, for the same reason."""
    first, second = new_job("a"), new_job("a")
    stand.submit(first, second)
    stand.fail(stand.lease_one(), "no such workload", retryable=False)
    for job in (first, second):
        shown = stand.job(job)
        assert (shown.status, shown.reason) == (Status.FAILED, "no such workload")
    assert stand.stats().failed_total == 2
    assert stand.submit(new_job("a"))[0].status is Status.QUEUED


def test_other_totals_and_tenants_do_not_attach(stand: Stand) -> None:
    """Only the very same work of the same tenant is shared."""
    jobs = [new_job("a"), new_job("a", total=99), new_job("a", tenant="other")]
    assert [reply.status for reply in stand.submit(*jobs)] == [Status.QUEUED] * 3


def test_a_job_that_only_waited_has_done_nothing(stand: Stand) -> None:
    """Cancelled while it was attached, it stands where it was sent, whatever was known."""
    stand.submit(shorter := new_job("a", total=40))
    stand.finish(shorter, state_of("a", 40))
    first, second = new_job("a"), new_job("a")
    stand.submit(first, second)
    assert (stand.job(first).done, stand.job(second).done) == (40, 40)
    stand.cancel(second)
    assert (stand.job(second).done, stand.job(second).state) == (1, state_of("a", 1))
