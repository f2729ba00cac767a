"""Predictions: against a fleet that is played through, job by job, and what must always hold."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.domain.cost import Fleet, Forecast, seconds_of
from workmill.domain.queue_profile import (
    QueuePlace,
    QueueProfile,
    QueueSegment,
    balanced,
    joined,
    run_segments,
)

Jobs = list[tuple[QueuePlace, int]]
WORK = st.integers(1, 10**10)


@st.composite
def queues(draw: st.DrawFn) -> Jobs:
    """Queued jobs with their work, in the order of their leases."""
    kinds = draw(st.lists(st.tuples(st.integers(-3, 3), WORK), max_size=40))
    return sorted((QueuePlace(rank, age), work) for age, (rank, work) in enumerate(kinds, 1))


def exact(jobs: Jobs, leased: Sequence[int] = ()) -> QueueProfile:
    """The outline of a short queue."""
    segments = [run_segments(place.rank, [(place.age, work)])[0] for place, work in jobs]
    return QueueProfile(segments=tuple(segments), leased_jobs=len(leased), leased_work=sum(leased))


def ends(fleet: Fleet, leased: Sequence[int], jobs: Jobs) -> list[float]:
    """When each queued job ends, where whoever is next takes the first lane that is free."""
    free = [0.0] * fleet.lanes
    found = []
    for work in [*leased, *(work for _, work in jobs)]:
        end = heapq.heappop(free) + work * fleet.lanes / fleet.rate_hz
        heapq.heappush(free, end)
        found.append(end)
    return found[len(leased) :]


@given(
    queues(),
    st.lists(WORK, max_size=12),
    st.builds(Fleet, st.floats(1.0, 1e10), st.integers(1, 16)),
)
def test_a_prediction_is_what_a_fleet_does_within_its_bound(
    jobs: Jobs, leased: list[int], fleet: Fleet
) -> None:
    """Never early, and late by no more than the longest job ahead takes in its lane."""
    forecast = Forecast(exact(jobs, leased), fleet)
    longest = max(leased, default=0)
    for (place, work), end in zip(jobs, ends(fleet, leased, jobs), strict=True):
        predicted = forecast.of_queued(place, work)
        assert predicted is not None
        slack = 1e-9 * (end + 1)
        assert end - slack <= predicted <= end + longest * fleet.lanes / fleet.rate_hz + slack
        longest = max(longest, work)


@given(queues(), st.integers(-4, 4), WORK)
def test_a_new_job_is_behind_its_equals_and_before_the_less_urgent(
    jobs: Jobs, priority: int, work: int
) -> None:
    """As if it stood there already."""
    fleet = Fleet(1000.0, 1)
    place = QueuePlace(-priority, 10**6)
    predicted = Forecast(exact(jobs), fleet).of_new(priority, work)
    with_it = Forecast(exact(sorted([*jobs, (place, work)])), fleet)
    assert predicted == pytest.approx(with_it.of_queued(place, work))
    more_urgent = Forecast(exact(jobs), fleet).of_new(priority + 1, work)
    assert predicted is not None
    assert more_urgent is not None
    assert more_urgent <= predicted


SEGMENTS = st.builds(
    lambda rank, first, length, jobs, work: QueueSegment(rank, first, first + length, jobs, work),
    *(st.integers(-3, 3), st.integers(0, 2**52), st.integers(0, 2**40)),
    *(st.floats(0, 1e7), st.floats(0, 1e17)),
)
PLACES = st.builds(QueuePlace, st.integers(-4, 4), st.integers(0, 2**53))


@given(st.lists(SEGMENTS, max_size=20), st.lists(PLACES, min_size=2, max_size=20), WORK)
def test_who_stands_further_back_is_never_predicted_earlier(
    segments: list[QueueSegment], places: list[QueuePlace], work: int
) -> None:
    """Whatever the outline, and however its pieces overlap."""
    forecast = Forecast(QueueProfile(segments=tuple(segments)), Fleet(1.0, 3))
    whole = sum(one.work for one in segments)
    predicted = [forecast.of_queued(place, work) for place in sorted(places)]
    for before, after in pairwise(predicted):
        assert before is not None
        assert after is not None
        assert before <= after + 1e-6 * (whole + work)
    assert forecast.ahead(QueuePlace(99, 0)).work == pytest.approx(whole)


@given(st.lists(SEGMENTS, max_size=20), st.integers(0, 10**7), st.integers(0, 10**17))
def test_an_outline_keeps_the_sums_of_the_queue(
    segments: list[QueueSegment], jobs: int, work: int
) -> None:
    """Only what was estimated is scaled, and only where there is something to scale."""
    scaled = balanced(segments, jobs, work)
    exact_ones = [one for one in segments if one.first == one.last]
    assert [one for one in scaled if one.first == one.last] == exact_ones
    if sum(one.work for one in segments if one.first != one.last) > 1:
        known = sum(one.work for one in exact_ones)
        assert sum(one.work for one in scaled) == pytest.approx(max(work, known), rel=1e-6)


def test_with_a_lane_to_spare_a_job_begins_at_once() -> None:
    """As long as there are fewer jobs ahead than lanes; then it waits for the fleet."""
    jobs = [(QueuePlace(0, age), 100) for age in range(1, 6)]
    forecast = Forecast(exact(jobs, [100]), Fleet(rate_hz=90.0, lanes=3))
    alone, behind = 100 * 3 / 90.0, 300 / 90.0
    assert forecast.of_queued(QueuePlace(0, 2), 100) == alone
    assert forecast.of_queued(QueuePlace(0, 3), 100) == behind + alone


def test_parts_of_a_queue_are_one_queue() -> None:
    """What is ahead is the sum over all parts."""
    near, far = exact([(QueuePlace(0, 1), 10)], [7]), exact([(QueuePlace(0, 2), 20)], [5])
    ahead = Forecast(joined([near, far]), Fleet(1.0, 1)).ahead(QueuePlace(0, 3))
    assert (ahead.jobs, ahead.work) == (4, 42)


@given(queues(), WORK)
def test_without_a_rate_nothing_is_predicted(jobs: Jobs, work: int) -> None:
    """No figure is better than a made-up one."""
    forecast = Forecast(exact(jobs, [work]), Fleet(0.0, 0))
    assert forecast.of_new(0, work) is None
    assert forecast.of_queued(QueuePlace(0, 1), work) is None
    assert forecast.of_leased(work) is None
    assert seconds_of(work, 0.0) is None


@given(st.lists(WORK, min_size=1, max_size=40), st.integers(1, 16))
def test_a_leased_job_is_never_predicted_faster_than_its_lane(
    leased: list[int], lanes: int
) -> None:
    """Nor slower than when all others go first."""
    forecast = Forecast(exact([], leased), Fleet(1000.0, lanes))
    for work in leased:
        predicted = forecast.of_leased(work)
        assert predicted is not None
        alone = work * lanes / 1000.0
        assert alone <= predicted * (1 + 1e-9)
        assert predicted <= ((sum(leased) - work) / 1000.0 + alone) * (1 + 1e-9)
