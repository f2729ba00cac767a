"""An outage as the log tells it: once when it begins, once when it is over and for how long it was.

Theory. While something is away, whoever needs it meets that again and again; and often a part of
it goes on, as with a Redis that lets itself be read and refuses every change. So what failed is
remembered by its kind (a verb, a function), and the outage is over when each kind has succeeded
again. What has not been tried for `FORGOTTEN_SECONDS` does not hold it open. When the same thing
fails soon after its end, that outage is over only when all went well for `STEADY_SECONDS`:
something that comes and goes is a line now and then, not two a second.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from typing import Final

from workmill.telemetry.log import Field, Level, emit

FORGOTTEN_SECONDS: Final = 60.0
RELAPSE_SECONDS: Final = 60.0
"""How soon after its end the next outage counts as the same trouble."""
STEADY_SECONDS: Final = 10.0
_ALL: Final = ("",)
"""What concerns no kind of its own: the first success of whatever ends it."""


class Incident:
    """At most one at a time. `begins` and `ends` are its events, `about` what both say."""

    def __init__(
        self,
        begins: str,
        ends: str,
        *,
        level: Level = "warning",
        monotonic: Callable[[], float] = time.monotonic,
        **about: Field,
    ) -> None:
        """`monotonic` is in seconds."""
        self._begins, self._ends = begins, ends
        self._level: Level = level
        self._monotonic = monotonic
        self._about = about
        self._failed_at: dict[str, float] = {}
        self._began_at: float | None = None
        self._well_at: float | None = None
        self._ended_at = float("-inf")
        self._steady_seconds = 0.0

    @property
    def lasting(self) -> bool:
        """Whether one has begun of which the log has not told the end."""
        return self._began_at is not None

    def failed(self, kinds: Collection[str] = _ALL, **said: Field) -> None:
        """These kinds have failed. `said` goes into the log if it begins now."""
        now = self._monotonic()
        self._failed_at.update(dict.fromkeys(kinds, now))
        self._well_at = None
        if self._began_at is None:
            relapsed = now - self._ended_at < RELAPSE_SECONDS
            self._steady_seconds = STEADY_SECONDS if relapsed else 0.0
            self._began_at = now
            emit(self._begins, level=self._level, **self._about, **said)

    def succeeded(self, kinds: Collection[str] = _ALL) -> None:
        """These kinds have succeeded. To be said again while it lasts: only then it ends."""
        if self._began_at is None:
            return
        now = self._monotonic()
        self._failed_at = {
            kind: at
            for kind, at in self._failed_at.items()
            if kind and kind not in kinds and now - at < FORGOTTEN_SECONDS
        }
        if self._failed_at:
            return
        if self._well_at is None:
            self._well_at = now
        if now - self._well_at >= self._steady_seconds:
            away_seconds = round(self._well_at - self._began_at, 3)
            emit(self._ends, level="info", **self._about, away_seconds=away_seconds)
            self._began_at, self._ended_at = None, now
