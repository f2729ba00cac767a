"""The time between a failure and the next success: when to try again, and what the log says.

Theory. While nothing answers, every group of calls would find that out for itself, wait, and
write it down. Instead the first failure begins an outage, which is logged once. Within it one
attempt is made when it is due, and callers are refused at once until then. The first is due at
once, then pauses double from 50 milliseconds to one second, with chance added so that endpoints
do not come back all together. The first success ends that; `Incident` says when the log is told.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Collection
from typing import Final

from workmill.telemetry import Incident

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
RETRY_AFTER_SECONDS: Final = 1.0
"""What a caller is told at least: by then most outages of a moment are over."""


class Outage:
    """At most one at a time; `where` is what the log calls the other side."""

    def __init__(self, where: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._told = Incident(
            "store.link_lost", "store.link_found", monotonic=monotonic, store=where
        )
        self._lasting = False
        self._pause = 0.0
        self._next = 0.0
        self.reason = ""

    @property
    def lasting(self) -> bool:
        return self._lasting

    @property
    def rest_seconds(self) -> float:
        """How long to leave the other side alone; zero when an attempt is due."""
        return max(0.0, self._next - self._monotonic()) if self.lasting else 0.0

    def failed(self, reason: str, function: str = "") -> None:
        """An attempt has failed, of this function or of whatever would have come."""
        now = self._monotonic()
        if not self._lasting:
            self._lasting = True
            self._pause = 0.0
        self._told.failed((function,), detail=reason)
        self.reason = reason
        self._next = now + self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        self._pause = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), LONGEST_PAUSE_SECONDS)

    def succeeded(self, functions: Collection[str]) -> None:
        """The other side does again what it should, as far as these functions show."""
        self._lasting = False
        self._told.succeeded(functions)
