"""How long a peer may take in all for what it says, or for taking what is said to it.

Theory. A limit on silence alone is no limit: a peer that gives a byte now and then is never silent.
So an exchange has a deadline, `silence_seconds` after it began, and every byte that moves puts it
off by the time that byte takes at `SLOWEST_BYTES_PER_SECOND`. What moves at that rate or faster may
take as long as it needs, and is to be bounded by its size; what drips ends in time.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SLOWEST_BYTES_PER_SECOND: Final = 32 * 1024


class Pace:
    """The deadline of one exchange, in seconds of `ticks`."""

    def __init__(self, silence_seconds: float, ticks: Callable[[], float] = time.monotonic) -> None:
        self.silence_seconds = silence_seconds
        self._ticks = ticks
        self.deadline = ticks() + silence_seconds

    def moved(self, size_bytes: int) -> None:
        """So many bytes of a body have come or gone."""
        self.deadline += size_bytes / SLOWEST_BYTES_PER_SECOND

    def left(self) -> float:
        """Seconds until the exchange is given up; 0 or less when it is."""
        return self.deadline - self._ticks()
