"""What work costs and how long it will take. Cost is counted in iterations still to do.

A fleet moves many jobs at once, one job in each lane, and no job can use more than one lane.
So a job's end has two bounds: the fleet must get through what is ahead of it, and its own lane
through the job itself.
"""

from __future__ import annotations


def eta_seconds(
    iterations_ahead: int, own_iterations: int, rate_hz: float, lanes: int
) -> float | None:
    """Predicted seconds until a job of `own_iterations` is done, behind `iterations_ahead`.

    `rate_hz` is the measured iterations per second of all live workers together, `lanes` how
    many jobs they move at once. None comes back when no rate is known: no figure is better than
    a made-up one.
    """
    if rate_hz <= 0:
        return None
    whole_fleet = iterations_ahead + own_iterations
    own_lane = own_iterations * max(lanes, 1)
    return max(whole_fleet, own_lane) / rate_hz
