"""The verb `queue_profile`, and where each job's work waits: what predictions are made from."""

from __future__ import annotations

import random
from collections.abc import Iterable
from itertools import pairwise

import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.cost import Ahead, Fleet, Forecast
from workmill.domain.job import Job, NewJob
from workmill.domain.lifecycle import Status
from workmill.domain.queue_profile import QueueProfile

FLEET = Fleet(rate_hz=1.0, lanes=1)
MOST_SEGMENTS = 4000
ROUGH = 0.15
"""The error that the outline of a mixed queue may have, as a share of all queued work."""


def profile(stand: Stand) -> QueueProfile:
    with stand.store.group():
        return stand.store.queue_profile()


def shown(stand: Stand, jobs: Iterable[NewJob]) -> list[Job]:
    with stand.store.group():
        found = stand.store.get([one.id for one in jobs])
    return [one for one in found if one is not None]


def in_order(jobs: Iterable[Job]) -> list[Job]:
    """Those that are queued, as a lease would grant them."""
    queued = [one for one in jobs if one.status is Status.QUEUED]
    return sorted(queued, key=lambda one: (one.waits_at is None, one.waits_at))


def expect_exact(stand: Stand, jobs: Iterable[NewJob]) -> None:
    """What is ahead of each queued job is what a lease would grant before it."""
    forecast = Forecast(outline := profile(stand), FLEET)
    every = shown(stand, jobs)
    leased = [one for one in every if one.status is Status.LEASED]
    work = sum(one.total - one.done for one in leased)
    assert (outline.leased_jobs, outline.leased_work) == (len(leased), work)
    for place, job in enumerate(in_order(every)):
        assert job.waits_at is not None
        assert forecast.ahead(job.waits_at) == Ahead(len(leased) + place, work)
        work += job.total - job.done


def test_an_empty_queue_has_no_outline(stand: Stand) -> None:
    """Nothing is ahead of anybody."""
    assert profile(stand) == QueueProfile()


def test_places_are_the_order_of_leases(stand: Stand) -> None:
    """Priority first, then age, and what is ahead is exact in a short queue."""
    draw = random.Random(5)
    jobs = [new_job(total=draw.randint(2, 10**9), priority=draw.randint(-2, 2)) for _ in range(60)]
    stand.submit(*jobs)
    expect_exact(stand, jobs)
    order = [job.id for job in in_order(shown(stand, jobs))]
    leased = [lease.id for lease in stand.lease(20)]
    assert leased == order[:20]
    expect_exact(stand, jobs)
    assert {job.waits_at for job in shown(stand, jobs) if job.status is Status.LEASED} == {None}


def test_places_follow_what_becomes_of_jobs(stand: Stand) -> None:
    """Cancelled ones leave the outline; released, retried and raised ones are at their places."""
    jobs = [new_job(f"{number}", total=50 + number) for number in range(12)]
    stand.submit(*jobs)
    first, second, third = stand.lease(3)
    stand.cancel(jobs[5], jobs[11])
    stand.release(first, 7, state_of("0", 7))
    stand.fail(second)
    stand.submit(twin := new_job("8", total=58, priority=9))
    expect_exact(stand, jobs)
    assert [job.id for job in in_order(shown(stand, jobs))][:2] == [jobs[8].id, first.id]
    (eldest, waiting) = shown(stand, [jobs[8], twin])
    assert waiting.status is Status.ATTACHED
    assert waiting.waits_at == eldest.waits_at is not None
    stand.submit(late := new_job("2", total=52))
    assert stand.job(late).waits_at is None, "the work that it is attached to is leased"
    stand.complete(third, state_of("2", 52))
    expect_exact(stand, jobs)


def test_several_workloads_are_one_order(stand: Stand) -> None:
    """Workers take them together."""
    jobs = [
        new_job(total=10 + number, workload=f"kind {number % 3}", priority=number % 2)
        for number in range(30)
    ]
    stand.submit(*jobs)
    expect_exact(stand, jobs)


@pytest.mark.parametrize("levels", [1, 3])
def test_a_long_queue_is_outlined_within_bounds(stand: Stand, levels: int) -> None:
    """Its first jobs are exact; behind them nothing is ahead of what comes before it, the sums are
    the store's own, and the error on a mixed queue is a share of the whole."""
    draw = random.Random(7)
    jobs = [
        new_job(total=draw.randint(2, 10**6), priority=draw.randrange(levels)) for _ in range(2400)
    ]
    for start in range(0, len(jobs), 800):
        stand.submit(*jobs[start : start + 800])
    stand.cancel(*jobs[1000:1100])
    outline = profile(stand)
    assert len(outline.segments) < MOST_SEGMENTS
    order = in_order(shown(stand, jobs))
    whole = sum(job.total - job.done for job in order)
    assert sum(one.work for one in outline.segments) == pytest.approx(whole)
    assert sum(one.jobs for one in outline.segments) == pytest.approx(len(order))
    forecast = Forecast(outline, FLEET)
    ahead = [forecast.ahead(job.waits_at).work for job in order if job.waits_at is not None]
    assert all(before <= after for before, after in pairwise(ahead))
    true = 0
    for place, job in enumerate(order):
        assert ahead[place] == pytest.approx(true, abs=ROUGH * whole if place > 199 else 0.1)
        true += job.total - job.done
