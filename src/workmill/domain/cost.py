"""What work costs and how long it will take. Cost is counted in iterations still to do."""

from __future__ import annotations


def eta_seconds(iterations_ahead: int, own_iterations: int, rate_hz: float) -> float | None:
    """Predicted seconds until a job of `own_iterations` is done, behind `iterations_ahead`.

    `rate_hz` is the measured iterations per second of all live workers together; None
    comes back when none is known: no figure is better than a made-up one.
    """
    if rate_hz <= 0:
        return None
    return (iterations_ahead + own_iterations) / rate_hz
