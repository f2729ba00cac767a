"""The time between a failure and the next success: when to try again, and what the log says.

Theory. While nothing answers, every group of calls would find that out for itself, wait, and
write it down. Instead the first failure begins an outage, which is logged once. Within it one
attempt is made when it is due, and callers are refused at once until then. The first is due at
once, then pauses double from 50 milliseconds to one second, with chance added so that endpoints
do not come back all together. The first success ends it, which is logged once too.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import Final

from workmill.telemetry import emit

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
RETRY_AFTER_SECONDS: Final = 1.0
"""What a caller is told at least: by then most outages of a moment are over."""


class Outage:
    """At most one at a time; `where` is what the log calls the other side."""

    def __init__(self, where: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._where = where
        self._monotonic = monotonic
        self._began: float | None = None
        self._pause = 0.0
        self._next = 0.0
        self.reason = ""

    @property
    def lasting(self) -> bool:
        return self._began is not None

    @property
    def rest_seconds(self) -> float:
        """How long to leave the other side alone; zero when an attempt is due."""
        return max(0.0, self._next - self._monotonic()) if self.lasting else 0.0

    def failed(self, reason: str) -> None:
        """An attempt has failed."""
        now = self._monotonic()
        if self._began is None:
            self._began = now
            self._pause = 0.0
            emit("store.link_lost", level="warning", store=self._where, detail=reason)
        self.reason = reason
        self._next = now + self._pause * random.uniform(0.5, 1.0)  # noqa: S311 - not a secret
        self._pause = min(max(FIRST_PAUSE_SECONDS, 2 * self._pause), LONGEST_PAUSE_SECONDS)

    def succeeded(self) -> None:
        """The other side does again what it should."""
        if self._began is not None:
            away = round(self._monotonic() - self._began, 3)
            emit("store.link_found", store=self._where, away_seconds=away)
            self._began = None
