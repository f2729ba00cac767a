"""Attached jobs: the same work is computed once, however many wait for it."""

from __future__ import annotations

from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

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


def test_a_batch_is_cancelled_in_its_order_whoever_knows_the_jobs(stand: Stand) -> None:
    """A new owner of the store, who has met one of two jobs, goes by the order of the batch too."""
    first, second = new_job("a", priority=3), new_job("a", priority=-1)
    stand.submit(first)
    stand.renew(stand.lease_one(), 40, state_of("a", 40))
    stand.reopen()
    stand.submit(second)
    assert stand.cancel(first, second) == [Verdict.APPLIED] * 2
    heir = stand.job(second)
    assert (heir.priority, heir.done, heir.state) == (3, 40, state_of("a", 40))


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


def test_who_is_more_urgent_makes_the_work_it_waits_for_more_urgent(stand: Stand) -> None:
    """No priority inversion: queued work goes by the most urgent of all who wait for it, and by age
    among its equals; who is less urgent changes nothing."""
    slow, urgent, middle, plain = (
        new_job("slow", priority=-5),
        new_job(priority=10),
        new_job(priority=3),
        new_job(),
    )
    stand.submit(slow, urgent, middle, plain)
    again = [new_job("slow", priority=priority) for priority in (-5, 3, 10, -9, 0)]
    assert {stand.submit(job)[0].status for job in again} == {Status.ATTACHED}
    assert stand.job(slow).priority == 10
    assert stand.job(again[0]).priority == -5
    assert [lease.id for lease in stand.lease()] == [
        job.id for job in (slow, urgent, middle, plain)
    ]


def test_one_batch_may_bring_the_work_and_who_is_urgent(stand: Stand) -> None:
    """It makes no difference that the leader is as new as those who wait for it."""
    jobs = [new_job("a"), new_job(priority=1), new_job("a", priority=2), new_job("a", priority=5)]
    stand.submit(*jobs)
    assert [lease.id for lease in stand.lease()] == [jobs[0].id, jobs[1].id]
    assert stand.stats().jobs[Status.QUEUED] == 0


def test_raised_work_is_granted_once_and_its_old_place_is_gone(stand: Stand) -> None:
    """From the middle of a queue or from its head, while others come and go around it."""
    jobs = [new_job(str(number)) for number in range(30)]
    stand.submit(*jobs)
    raised = [jobs[place] for place in (0, 1, 7, 29)]
    for priority in (1, 4):
        stand.submit(*(new_job(str(jobs.index(job)), priority=priority) for job in raised))
    stand.cancel(jobs[2], jobs[7])
    rest = [job.id for job in jobs if job not in (*raised, jobs[2])]
    first = stand.lease_one()
    assert first.id == jobs[0].id
    stand.release(first)
    leases = [lease.id for lease in stand.lease(100)]
    assert leases[:3] == [jobs[0].id, jobs[1].id, jobs[29].id]
    assert leases[3] not in {job.id for job in jobs}  # the heir of the cancelled one
    assert leases[4:] == rest
    assert stand.stats().jobs[Status.QUEUED] == 0


def test_leased_work_comes_back_as_urgent_as_who_waits_for_it(stand: Stand) -> None:
    """Whoever hands it back, or loses it, puts it where the most urgent one needs it."""
    first = new_job("a")
    stand.submit(first)
    lease = stand.lease_one()
    stand.submit(new_job(priority=5), new_job("a", priority=9))
    stand.release(lease)
    assert stand.lease_one().id == first.id


def test_an_heir_is_as_urgent_as_the_work_it_takes_over(stand: Stand) -> None:
    """Its leader was raised for one who still waits; it is not lowered when that one goes."""
    first, second, third = new_job("a"), new_job("a"), new_job("a", priority=9)
    stand.submit(first, second, third, new_job(priority=5))
    stand.cancel(first)
    assert stand.job(second).priority == 9
    stand.cancel(third)
    assert stand.lease_one().id == second.id
