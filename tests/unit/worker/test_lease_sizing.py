"""A worker leases before it runs dry, and never more than it can use soon."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from workmill.domain.limits import MAX_LEASE_JOBS
from workmill.worker.lease_sizing import (
    FULL_SECONDS,
    LOW_SECONDS,
    MAX_HELD_JOBS,
    Order,
    Ready,
    next_order,
    rest_seconds,
)

LANES = 8
RATE_HZ = 8e6


def order_with(seconds: list[float], *, words: int = 0) -> Order | None:
    """The order of a worker with these jobs in hand and so many words not yet delivered."""
    ready = [Ready(each, LANES) for each in seconds]
    return next_order(ready, len(seconds) + words, LANES, RATE_HZ)


def test_an_empty_hand_asks_for_every_lane() -> None:
    """With nothing in hand: at least one job a lane, and work for the whole horizon."""
    assert order_with([]) == Order(LANES, MAX_LEASE_JOBS, round(FULL_SECONDS * RATE_HZ))


def test_endless_jobs_on_every_lane_are_enough() -> None:
    """No worker sits on long jobs that another one could be doing."""
    assert order_with([3600.0] * LANES) is None


def test_a_lane_about_to_run_dry_is_supplied_alone() -> None:
    """One long job near its end calls for one more, not for a full load."""
    order = order_with([3600.0] * (LANES - 1) + [LOW_SECONDS / 2])
    assert order is not None
    assert order.min_jobs == 1
    assert order.max_cost <= FULL_SECONDS * RATE_HZ / LANES


def test_what_no_endpoint_has_taken_counts() -> None:
    """While results cannot be delivered, memory stays bounded: nothing more is leased."""
    assert order_with([], words=MAX_HELD_JOBS) is None
    order = order_with([], words=MAX_HELD_JOBS - 3)
    assert order is not None
    assert order.max_jobs == 3


@given(st.lists(st.floats(1e-6, 1e4), max_size=300), st.integers(0, MAX_HELD_JOBS))
def test_every_order_is_within_bounds(seconds: list[float], words: int) -> None:
    """Whatever is in hand, an order is one that an endpoint takes, and keeps to the horizon."""
    order = order_with(seconds, words=words)
    if order is not None:
        assert 1 <= order.min_jobs <= order.max_jobs <= MAX_LEASE_JOBS
        assert order.min_jobs <= LANES
        assert 1 <= order.max_cost <= FULL_SECONDS * RATE_HZ
        assert len(seconds) + words + order.max_jobs <= MAX_HELD_JOBS


@given(st.lists(st.floats(1e-6, 1e4), max_size=60))
def test_supplied_means_that_no_lane_runs_dry_for_want_of_work(seconds: list[float]) -> None:
    """Nothing is ordered only while there is work for every lane up to the low mark."""
    worth = sum(min(each, LOW_SECONDS) for each in seconds)
    assert (order_with(seconds) is None) == (worth + 1e-6 >= LANES * LOW_SECONDS)


def test_only_a_stream_is_given_time_to_gather() -> None:
    """After a few jobs, or after the most there can be, the next lot is asked for at once; a
    rest is over long before long jobs run out."""
    assert [rest_seconds(jobs) for jobs in (0, 1, 7, MAX_LEASE_JOBS)] == [0.0] * 4
    assert all(0 < rest_seconds(jobs) <= LOW_SECONDS / 4 for jobs in (8, 100, MAX_LEASE_JOBS - 1))
