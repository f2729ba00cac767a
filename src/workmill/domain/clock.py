"""Time as the rest of the house sees it: whole milliseconds since the Unix epoch.

A store reads its own clock once per verb; tests inject one that they move by hand.
"""

from __future__ import annotations

import time
from collections.abc import Callable

Clock = Callable[[], int]
"""Returns milliseconds since the Unix epoch."""


def system_clock() -> int:
    """The wall clock of this machine, in milliseconds since the Unix epoch."""
    return time.time_ns() // 1_000_000
