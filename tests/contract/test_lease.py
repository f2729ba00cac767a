"""The verb `lease`: what is granted, in which order, and what comes back by itself."""

from __future__ import annotations

from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.job import Lease, Verdict
from workmill.domain.lifecycle import Status
from workmill.domain.retry import MAX_ATTEMPTS, SUSPECT_ATTEMPTS


def ids(leases: list[Lease]) -> list[bytes]:
    return [lease.id for lease in leases]


def lose_leases(stand: Stand, times: int) -> None:
    """Let the workers of all queued jobs die, `times` times."""
    for _ in range(times):
        while stand.lease(1, lease_seconds=5):
            pass
        stand.clock.advance(6)


def test_the_most_urgent_go_first_then_the_eldest(stand: Stand) -> None:
    """Priority, then age."""
    low, first, second = new_job(priority=-1), new_job(), new_job()
    high = new_job(priority=5)
    stand.submit(low, first, second)
    stand.submit(high)
    assert ids(stand.lease()) == [high.id, first.id, second.id, low.id]


def test_no_job_is_in_two_hands(stand: Stand) -> None:
    """What one worker has, no other one gets."""
    stand.submit(*(new_job() for _ in range(5)))
    first, second = stand.lease(3), stand.lease(3, worker="w2")
    assert (len(first), len(second)) == (3, 2)
    assert not set(ids(first)) & set(ids(second))
    assert stand.job(first[0]).worker == "w1"


def test_grants_stop_at_the_cost_but_not_below_the_least(stand: Stand) -> None:
    """`min_jobs` fill the lanes whatever they cost; beyond them, up to `max_cost`."""
    stand.submit(*(new_job(total=101) for _ in range(10)))
    assert len(stand.lease(10, min_jobs=2, max_cost=1)) == 2
    assert len(stand.lease(10, min_jobs=1, max_cost=250)) == 3
    assert len(stand.lease(4, min_jobs=1, max_cost=10**9)) == 4


def test_a_worker_gets_only_workloads_that_it_knows(stand: Stand) -> None:
    """Several workloads are served by priority and age across them."""
    other, mine, last = new_job(workload="b"), new_job(), new_job(workload="b")
    stand.submit(other, mine, last)
    assert ids(stand.lease(workloads=["sha512", "unheard of"])) == [mine.id]
    assert stand.lease(workloads=[]) == []
    stand.submit(late := new_job())
    assert ids(stand.lease(workloads=["sha512", "b"])) == [other.id, last.id, late.id]


def test_tokens_and_attempts_rise_with_every_lease(stand: Stand) -> None:
    """An old token can never be taken for a new one."""
    stand.submit(new_job())
    first = stand.lease_one()
    stand.clock.advance(20)
    second = stand.lease_one()
    assert second.id == first.id
    assert (second.token > first.token, second.attempts) == (True, 2)


def test_a_silent_workers_job_goes_on_from_its_checkpoint(stand: Stand) -> None:
    """A lease that ran out comes back with what its holder had saved."""
    job = new_job("a")
    stand.submit(job)
    lost = stand.lease(1, lease_seconds=5)[0]
    stand.renew(lost, 60, state_of("a", 60), lease_seconds=5)
    stand.clock.advance(4.9)
    assert stand.lease() == []
    stand.clock.advance(0.2)
    again = stand.lease_one()
    assert (again.done, again.state) == (60, state_of("a", 60))
    assert stand.complete(lost, state_of("a", 100)) is Verdict.STALE
    assert stand.stats().expired_leases_total == 1


def test_a_lease_lives_until_it_is_reclaimed(stand: Stand) -> None:
    """A late word of the holder counts, as long as nobody has asked for work since."""
    job = new_job("a")
    stand.submit(job)
    lease = stand.lease(1, lease_seconds=5)[0]
    stand.clock.advance(3600)
    assert stand.complete(lease, state_of("a", 100)) is Verdict.APPLIED


def test_a_new_owner_gives_every_lease_time(stand: Stand) -> None:
    """Nobody could renew while the store was closed: that is not held against the workers."""
    stand.submit(new_job("a"))
    lease = stand.lease(1, lease_seconds=5)[0]
    stand.clock.advance(3600)
    stand.reopen()
    assert stand.lease() == []
    assert stand.renew(lease, 9, state_of("a", 9)) is Verdict.APPLIED


def test_a_suspect_runs_alone(stand: Stand) -> None:
    """A job that was lost twice is leased with no other: a further crash is its own."""
    suspect, *others = jobs = [new_job() for _ in range(3)]
    stand.submit(suspect)
    lose_leases(stand, SUSPECT_ATTEMPTS)
    stand.submit(*others)
    assert ids(stand.lease(10)) == [suspect.id]
    assert ids(stand.lease(10)) == [job.id for job in jobs[1:]]


def test_grants_stop_before_a_suspect(stand: Stand) -> None:
    """The healthy ones before it in the queue go without it."""
    suspect, healthy = new_job(), new_job(priority=1)
    stand.submit(suspect)
    lose_leases(stand, SUSPECT_ATTEMPTS)
    stand.submit(healthy)
    assert ids(stand.lease(10)) == [healthy.id]


def test_a_job_that_kills_its_workers_is_buried(stand: Stand) -> None:
    """After its attempts it fails, and its owner reads why."""
    job = new_job()
    stand.submit(job)
    lose_leases(stand, MAX_ATTEMPTS)
    assert stand.lease() == []
    shown = stand.job(job)
    assert (shown.status, shown.attempts) == (Status.FAILED, MAX_ATTEMPTS)
    assert shown.reason == (
        "given up after 5 attempts without progress; the last one: the lease of worker w1 ran out"
    )
    assert stand.stats().backlog_iterations == 0


def test_progress_clears_a_job_of_suspicion(stand: Stand) -> None:
    """Long work on a fleet whose workers come and go is never buried."""
    stand.submit(new_job("a", total=10**6))
    for done in range(2, 3 * MAX_ATTEMPTS):
        lease = stand.lease_one()
        stand.renew(lease, done, state_of("a", done), lease_seconds=5)
        stand.clock.advance(6)
    assert stand.lease_one().attempts == 2


def test_time_never_goes_back(stand: Stand) -> None:
    """Opened by a machine whose clock is an hour behind, a store goes on from its latest time."""
    stand.submit(job := new_job("a"))
    lease = stand.lease(1, lease_seconds=15)[0]
    submitted_at_ms = stand.job(job).submitted_at_ms
    stand.clock.advance(-3600)
    stand.reopen()
    stand.clock.advance(16)
    assert [one.id for one in stand.lease()] == [lease.id]
    stand.submit(later := new_job("b"))
    assert stand.job(later).submitted_at_ms >= submitted_at_ms
