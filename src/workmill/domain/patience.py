"""How long somebody may be silent, counted by somebody who may have stood still meanwhile.

Theory. A process may be stopped (SIGSTOP, a paused container or virtual machine), and the monotonic
clock goes on. Whoever finds the time run out then has waited for nobody: those it waited for may
have stood still as well, or their word lies unread. So time counts in small steps: a look that
comes late adds no more than one step, and whoever is waiting looks at least once a step.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

STEP_SECONDS: Final = 1.0
"""What counts between two looks at most, and how long to wait for at most until the next."""


class Patience:
    """Runs out after so many seconds in which this process ran."""

    def __init__(self, seconds: float, ticks: Callable[[], float] = time.monotonic) -> None:
        """`ticks` are monotonic, in seconds."""
        self._ticks = ticks
        self._left_seconds = seconds
        self._looked_at = ticks()

    def look(self) -> float:
        """How long to wait until the next look, in seconds; 0 when it has run out."""
        now = self._ticks()
        self._left_seconds -= min(now - self._looked_at, STEP_SECONDS)
        self._looked_at = now
        return min(max(0.0, self._left_seconds), STEP_SECONDS)
