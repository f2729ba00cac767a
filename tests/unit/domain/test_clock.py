"""Time for leases: it starts at the wall's, and does not step with it."""

import pytest

from workmill.domain.clock import steady_clock

HOUR_MS = 3_600_000


@pytest.mark.parametrize("step_ms", [HOUR_MS, -HOUR_MS])
def test_a_clock_that_is_set_moves_nothing(step_ms: int) -> None:
    wall_ms, ticks_ns = [HOUR_MS], [0]
    clock = steady_clock(lambda: wall_ms[0], lambda: ticks_ns[0])
    wall_ms[0] += step_ms
    ticks_ns[0] += 1_500_000_000
    assert clock() == HOUR_MS + 1500
