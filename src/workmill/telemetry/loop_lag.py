"""How long an event loop keeps its callbacks waiting.

A timer asks to be called every `TICK_SECONDS`; by how much it comes late is what any other callback
waited as well. Ten calls a second cost a thousandth of a core.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final

TICK_SECONDS: Final = 0.1


class LoopLag:
    """The longest lag of the running loop since it was last asked for."""

    def __init__(self, *, ticks: Callable[[], float] = time.monotonic) -> None:
        """Begin, on the running loop. It ends with `stop`."""
        self._ticks = ticks
        self._loop = asyncio.get_running_loop()
        self._longest_seconds = 0.0
        self._wait()

    def take(self) -> float:
        """The longest lag since the last `take`, in seconds; one that still lasts is in it."""
        longest = max(self._longest_seconds, self._ticks() - self._due_at)
        self._longest_seconds = 0.0
        return max(0.0, longest)

    def stop(self) -> None:
        """Measure no more."""
        self._timer.cancel()

    def _wait(self) -> None:
        self._due_at = self._ticks() + TICK_SECONDS
        self._timer = self._loop.call_later(TICK_SECONDS, self._tick)

    def _tick(self) -> None:
        self._longest_seconds = max(self._longest_seconds, self._ticks() - self._due_at)
        self._wait()
