"""What is remembered for letting go slowly."""

from __future__ import annotations

from workmill.controller.scale_down import remembered


def test_one_reading_covers_the_far_end() -> None:
    """Turns do not fall on the second: without it a cool-down is never watched whole."""
    kept = remembered([1.0, 3.0, 9.0], 12.0, 4.0, float)
    assert kept == [3.0, 9.0, 12.0]
