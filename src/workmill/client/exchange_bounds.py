"""How long one exchange may take in all, and how much may come back.

Theory. A limit on silence alone is no limit: a peer that gives a byte now and then is never silent.
So an exchange has a deadline, `silence_seconds` after it began, and every byte of a body that moves
puts it off by the time that byte takes at `SLOWEST_BYTES_PER_SECOND`. What moves at that rate or
faster may take as long as it needs, and is bounded by its size; what drips ends in time. Heads move
nothing: a flood of them ends at the deadline.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

SLOWEST_BYTES_PER_SECOND: Final = 32 * 1024
REPLY_BYTES: Final = 16 * 1024 * 1024
"""The most that a reply may have in memory, unless more was asked for: more than a thousand jobs or
ten thousand processes take."""
REFUSAL_BYTES: Final = 64 * 1024
"""The most that is read of a refusal; what follows is left."""


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
