"""Time as the rest of the house sees it: whole milliseconds since the Unix epoch.

A store reads its own clock once per group; tests inject one that they move by hand. Leases
and receipts end on it, so it may not step: a machine whose clock is set by an hour would lose
every lease at once, or keep a dead worker's for an hour.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns milliseconds since the Unix epoch."""


def steady_clock(wall: Clock | None = None, ticks: Callable[[], int] | None = None) -> Clock:
    """A clock that starts at the wall's time and is deaf to its steps from then on.

    `ticks` are monotonic nanoseconds (`time.monotonic_ns`).
    """
    count = ticks or time.monotonic_ns
    start_ms, start_ns = (wall or system_clock)(), count()
    return lambda: start_ms + (count() - start_ns) // 1_000_000


def system_clock() -> int:
    """The wall clock of this machine, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
