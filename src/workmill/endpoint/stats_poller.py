"""How the whole system stands: one reading of the store a second, for whoever in this process asks.

One read a second serves every page, progress bar, metric and prediction, however many ask. While
the store does not answer the last reading grows old, and from `READING_SECONDS` on there is none:
what is shown is then absent, and never as it was.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from workmill.domain.errors import StoreUnavailable, WorkmillError
from workmill.domain.job import Job
from workmill.domain.limits import READING_SECONDS
from workmill.endpoint.committer import Committer
from workmill.endpoint.stats_reading import Reading

PULSE_SECONDS: Final = 1.0


class Pulse:
    """The latest reading, asked for by its age."""

    def __init__(self, ticks: Callable[[], float] = time.monotonic) -> None:
        self.healthy = True
        self._ticks = ticks
        self._reading: Reading | None = None
        self._next: asyncio.Future[None] | None = None

    async def read(self, committer: Committer) -> None:
        """Ask the store once and let everybody know how that went."""
        with suppress(WorkmillError):
            await self._ask(committer)

    async def read_now(self, committer: Committer) -> Reading:
        """A reading taken by this call. Raises what the store raises, and StoreUnavailable when it
        says nothing for READING_SECONDS."""
        try:
            async with asyncio.timeout(READING_SECONDS):
                return await self._ask(committer)
        except TimeoutError:
            raise StoreUnavailable(
                f"The store has not answered for {READING_SECONDS:g} s, so there are no figures. "
                "Ask again later, or another endpoint.",
                retry_after_seconds=PULSE_SECONDS,
            ) from None

    async def next_reading(self) -> None:
        """Wait for the next reading, or for the end."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._next)

    def end(self) -> None:
        """Let everybody go who waits for a reading."""
        self._let_know()

    def latest(self) -> Reading | None:
        """The last reading; None while that is older than READING_SECONDS, or before the first."""
        age_seconds = self.age_seconds
        return self._reading if age_seconds is not None and age_seconds <= READING_SECONDS else None

    @property
    def age_seconds(self) -> float | None:
        """How old the last reading is; None before the first."""
        return None if self._reading is None else self._ticks() - self._reading.taken_at

    def eta_of(self, job: Job) -> float | None:
        """See `Reading.eta_of`; None without a reading."""
        reading = self.latest()
        return reading.eta_of(job) if reading else None

    def eta_of_new(self, priority: int, work: int) -> float | None:
        """See `Reading.eta_of_new`; None without a reading."""
        reading = self.latest()
        return reading.eta_of_new(priority, work) if reading else None

    async def _ask(self, committer: Committer) -> Reading:
        taken_at = self._ticks()
        try:
            stats, nodes, profile = await asyncio.gather(
                committer.stats(), committer.nodes(), committer.queue_profile()
            )
        except WorkmillError:
            self.healthy = False
            raise
        else:
            self.healthy = True
            reading = Reading(stats=stats, nodes=nodes, profile=profile, taken_at=taken_at)
            if self._reading is None or self._reading.taken_at <= taken_at:
                self._reading = reading
            return reading
        finally:
            self._let_know()

    def _let_know(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None
