"""When to start a dead process again: pure policy, no clock and no dice of its own.

A process that lived long enough to be useful is replaced at once. One that keeps dying
young waits twice as long each time, up to a bound, for ever: the cause may be a full
disk that somebody will clear tonight. Jitter keeps many processes that died of one
cause from coming back in step.
"""

from __future__ import annotations

from typing import Final, NamedTuple

USEFUL_SECONDS: Final = 5.0
"""A life at least this long clears the count of early deaths."""
FIRST_DELAY_SECONDS: Final = 0.25
MAX_DELAY_SECONDS: Final = 5.0


class Restart(NamedTuple):
    """The decision: how many early deaths in a row there are now, and how long to wait."""

    early_deaths: int
    delay_seconds: float


def after_death(early_deaths: int, lived_seconds: float, dice: float) -> Restart:
    """What follows a death after `early_deaths` early ones in a row.

    `dice` is uniform in [0, 1) and moves the delay within its upper half, so that the
    restart rate of one slot stays below one per `MAX_DELAY_SECONDS / 2` in the long run.
    """
    if lived_seconds >= USEFUL_SECONDS:
        return Restart(0, 0.0)
    doublings = min(early_deaths, 32)
    whole = min(MAX_DELAY_SECONDS, FIRST_DELAY_SECONDS * 2**doublings)
    return Restart(early_deaths + 1, whole * (1 + dice) / 2)
