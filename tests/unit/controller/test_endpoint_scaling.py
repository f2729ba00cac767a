"""The endpoints' policy: what it may never do, and what it says to plain cases."""

from __future__ import annotations

from itertools import pairwise
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.controller.endpoint_scaling import (
    BUSY_CORES,
    KEEP_CORES,
    LATE_READINGS,
    EndpointLimits,
    EndpointsPast,
    EndpointsSeen,
    desired,
    remember,
)

LIMITS = EndpointLimits(min_endpoints=1, max_endpoints=8, start_seconds=3.0, cool_down_seconds=30.0)


def seen(
    at: float = 0.0,
    *,
    cores: float = 0.0,
    hz: float = 100.0,
    late: int = 0,
    ready: int = 2,
    starting: int = 0,
) -> EndpointsSeen:
    return EndpointsSeen(
        at_seconds=at, cpu_cores=cores, requests_hz=hz, late=late, ready=ready, starting=starting
    )


def watched(readings: list[EndpointsSeen]) -> list[EndpointsPast]:
    """The history that driving the policy through these readings leaves."""
    history: list[EndpointsPast] = []
    for one in readings:
        history = remember(history, one, desired(one, LIMITS, history).keep, LIMITS)
    return history


STEADY = watched([seen(at, cores=1.0) for at in range(40)])
CASES = {
    "idle, two of them, just begun": (seen(), [], 2, "not watched for 30 s"),
    "none yet": (seen(ready=0), [], 1, "no more than 0.6 busy"),
    "1.3 cores need three": (seen(cores=1.3), [], 3, "no more than 0.6 busy"),
    "more than are allowed": (seen(cores=50.0), [], 8, "no more than 0.6 busy"),
    "too many": (seen(ready=9, cores=4.0), [], 8, "1 to 8 are allowed"),
    "one is starting already": (seen(cores=1.3, starting=1), [], 3, "fit the load"),
    "steady": (seen(40, cores=1.0), STEADY, 2, "fit the load"),
    "idle for a while": (
        seen(80, cores=0.1),
        watched([seen(at, cores=0.1) for at in range(40, 80)]),
        1,
        "no more than 1 were wanted",
    ),
    "each keeps less busy than before one was taken away": (
        seen(80, cores=0.5, ready=3),
        watched([seen(at, cores=0.5, ready=3) for at in range(40, 80)]),
        2,
        "no more than 2 were wanted",
    ),
    "idle since a moment ago": (seen(41, cores=0.1), STEADY, 2, "all of them were wanted"),
    "requests rise by half in five seconds": (
        seen(10, cores=1.0, hz=150),
        watched([seen(at, cores=1.0, hz=100 if at < 7 else 150) for at in range(10)]),
        3,
        "rising to 1.2 cores",
    ),
    "requests rise a thousandfold": (
        seen(10, cores=1.0, hz=1e5),
        watched([seen(at, cores=1.0, hz=100 if at < 7 else 1e5) for at in range(10)]),
        4,
        "rising to 2.0 cores",
    ),
    "requests fall and the cores are still busy": (
        seen(10, cores=1.3, hz=10),
        watched([seen(at, cores=1.3, hz=100 if at < 7 else 10) for at in range(10)]),
        3,
        "no more than 0.6 busy; ",
    ),
    "late for three readings": (
        seen(3, late=2),
        watched([seen(at, late=2) for at in range(1, 3)]),
        3,
        "late for 3 readings",
    ),
    "late, and one is coming": (
        seen(3, late=2, starting=1),
        watched([seen(at, late=2) for at in range(1, 3)]),
        3,
        "not watched",
    ),
    "late once": (seen(3, late=2), watched([seen(2), seen(1)]), 2, "not watched"),
    "one of two late": (
        seen(3, late=1),
        watched([seen(at, late=1) for at in range(1, 3)]),
        2,
        "not watched",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_plain_cases(case: str) -> None:
    """What a person would say to the same reading."""
    reading, history, count, words = CASES[case]
    decision = desired(reading, LIMITS, history)
    assert (decision.count, words in decision.reason) == (count, True), decision.reason


def test_a_new_endpoint_is_given_time_to_help_before_the_next_for_lag() -> None:
    """Lag alone starts one at a time, each after as many late readings with the one before."""
    history: list[EndpointsPast] = []
    ready, grown_at = 2, []
    for at in range(12):
        one = seen(at, late=ready, ready=ready)
        decision = desired(one, LIMITS, history)
        history = remember(history, one, decision.keep, LIMITS)
        if decision.count > ready:
            grown_at.append(at)
        ready = decision.count
    gaps = [after - before for before, after in pairwise(grown_at)]
    assert gaps
    assert set(gaps) == {LATE_READINGS}


READINGS = st.builds(
    seen,
    cores=st.floats(0, 20),
    hz=st.floats(0, 1e6),
    late=st.integers(0, 10),
    ready=st.integers(0, 10),
    starting=st.integers(0, 10),
)


@given(st.lists(READINGS, max_size=60))
def test_it_stays_within_its_limits_and_shrinks_only_to_what_carries_the_load(
    readings: list[EndpointsSeen],
) -> None:
    """Whatever is read: the bounds hold, a busy fleet is not made smaller than its load needs, and
    nothing is taken away while the load wants more than there is."""
    history: list[EndpointsPast] = []
    for at, reading in enumerate(readings):
        one = seen(
            at,
            cores=reading.cpu_cores,
            hz=reading.requests_hz,
            late=reading.late,
            ready=reading.ready,
            starting=reading.starting,
        )
        decision = desired(one, LIMITS, history)
        history = remember(history, one, decision.keep, LIMITS)
        assert LIMITS.min_endpoints <= decision.count <= LIMITS.max_endpoints
        needed = min(LIMITS.max_endpoints, ceil(one.cpu_cores / BUSY_CORES))
        assert decision.count >= min(needed, LIMITS.max_endpoints)
        if decision.count < min(one.count, LIMITS.max_endpoints):
            assert one.cpu_cores <= decision.count * KEEP_CORES
        assert len(history) <= 2 * 30 + 2
