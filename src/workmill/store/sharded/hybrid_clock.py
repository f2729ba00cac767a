"""One order for the jobs of all parts: hybrid times that this process gives out.

An age is a millisecond and a count in it. It rises with every job, never falls behind an age that
a part knew when it was opened, and is ahead of what other endpoints gave out before by as much as
their clocks agree. Within one part the order is exact whatever the clocks say: a part raises an age
that is not above its last one.
"""

from __future__ import annotations

from workmill.domain.clock import Clock
from workmill.store.redis.record_codec import AGE_STEPS


class Ages:
    """Gives out rising ages."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._last = 0

    def seen(self, age: int) -> None:
        """A part has a job of this age."""
        self._last = max(self._last, age)

    def take(self, count: int) -> range:
        """As many ages as there are jobs."""
        first = max(self._last + 1, self._clock() * AGE_STEPS)
        self._last = first + count - 1
        return range(first, first + count)
