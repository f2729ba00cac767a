"""A slice never asks too much, and wastes no lane while there is work."""

from __future__ import annotations

import heapq

from hypothesis import given
from hypothesis import strategies as st

from workmill.worker.slice_planning import MAX_SLICE_JOBS, Pace, plan_slice

JOBS = st.lists(st.integers(1, 10**10) | st.integers(1, 100), max_size=60)
LANES = st.integers(1, 16)
BUDGETS = st.integers(1, 10**7) | st.integers(1, 100)


def played(counts: list[int], lanes: int) -> list[int]:
    """The load of each lane when the counts are taken in order by the lane that is free first."""
    loads = [0] * lanes
    for count in counts:
        heapq.heapreplace(loads, loads[0] + count)
    return loads


@given(JOBS, LANES, BUDGETS)
def test_no_job_is_asked_for_more_than_it_has_left(
    remaining: list[int], lanes: int, budget: int
) -> None:
    """Each count is at least one and at most what the job has left."""
    plan = plan_slice(remaining, lanes, budget)
    for count, left in zip(plan.counts, remaining, strict=False):
        assert 1 <= count <= left


@given(JOBS, LANES, BUDGETS)
def test_no_lane_goes_over_the_budget(remaining: list[int], lanes: int, budget: int) -> None:
    """Played as a workload plays it, no lane is longer than the budget, and `longest` is true."""
    plan = plan_slice(remaining, lanes, budget)
    assert max(played(plan.counts, lanes)) == plan.longest <= budget


@given(JOBS, LANES, BUDGETS)
def test_no_lane_idles_while_work_remains(remaining: list[int], lanes: int, budget: int) -> None:
    """Either every job is in the slice, or every lane is filled to the budget exactly."""
    plan = plan_slice(remaining, lanes, budget)
    filled = played(plan.counts, lanes) == [budget] * lanes
    assert len(plan.counts) == len(remaining) or filled
    assert plan.full == filled


@given(JOBS, LANES, BUDGETS)
def test_a_job_is_cut_only_at_the_end_of_its_lane(
    remaining: list[int], lanes: int, budget: int
) -> None:
    """A job is given whole unless its lane ends with it: at most one is cut for each lane."""
    plan = plan_slice(remaining, lanes, budget)
    cut = sum(count < left for count, left in zip(plan.counts, remaining, strict=False))
    assert cut <= lanes


def test_short_jobs_go_by_the_thousand() -> None:
    """Thousands of tiny jobs make one slice, up to the bound."""
    plan = plan_slice([10] * 5000, lanes=8, budget=10**6)
    assert plan.counts == [10] * MAX_SLICE_JOBS
    assert plan.full


def test_an_unknown_pace_starts_with_one_iteration() -> None:
    """Whatever a workload costs, its first slice is as short as can be."""
    assert Pace().budget(0.3) == 1


@given(st.floats(0.001, 1e9), st.floats(1.0, 1e8))
def test_the_pace_converges_on_what_is_measured(true_hz: float, guess_hz: float) -> None:
    """From any guess, slices of the planned length soon take about the planned time."""
    pace = Pace(guess_hz)
    for _ in range(64):
        longest = pace.budget(0.3)
        pace = pace.measured(longest, longest / true_hz, 0.3)
    assert pace.budget(0.3) / max(1.0, true_hz * 0.3) < 1.05


def test_what_a_short_slice_costs_besides_does_not_lower_the_pace() -> None:
    """A slice of tiny jobs, mostly overhead, does not shorten the slices of long ones."""
    assert Pace(1e6).measured(10, 0.001, 0.3) == Pace(1e6)
    assert Pace(1e6).measured(10_000, 0.3, 0.3).lane_hz < 1e6
