"""A look at the primary while the store is open: its settings may be changed under it.

Every `LOOK_SECONDS`, and at once after each new connection, the rules of `durability` are applied
again. Where they refuse, nothing is acknowledged until they hold again. A server that has thrown
keys away since it was first seen has lost jobs, and that stays so, whatever its settings are then.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from workmill.domain.errors import StoreDamaged, StoreUnavailable
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.connection import Connection
from workmill.store.redis.durability import QUESTIONS, Shown, faults, read_shown, refusal
from workmill.telemetry import emit

LOOK_SECONDS: Final = 5.0
AGAIN_SECONDS: Final = 1.0
"""How soon after a refusal it is looked whether the rules hold again."""
WARN_SECONDS: Final = 3600.0
"""How often a warning that lasts is written down again."""
RETRY_AFTER_SECONDS: Final = 1.0


class Inspection:
    """What the rules say of one store's primary; `where` is what the log calls the store."""

    def __init__(
        self,
        level: Level,
        where: str,
        look_seconds: float = LOOK_SECONDS,
        monotonic: Callable[[], float] = time.monotonic,
        *,
        kept: bool = False,
    ) -> None:
        self._level, self._kept = level, kept
        self._where = where
        self._look_seconds = look_seconds
        self._monotonic = monotonic
        self._due = 0.0
        self._run = ""
        self._evicted_keys = 0
        self._refused: str | None = None
        self._damaged: str | None = None
        self._warned_at: float | None = None
        self.warnings: tuple[str, ...] = ()
        """What is not as it should be, and refuses nothing."""

    @property
    def due(self) -> bool:
        return self._monotonic() >= self._due

    def ask(self, connection: Connection) -> None:
        """Look now. Raises what the connection raises, and what `judge` raises."""
        info, config = connection.ask_all(QUESTIONS)
        self.judge(read_shown(connection.node, info, config))

    def judge(self, shown: Shown) -> None:
        """Raises StoreUnavailable where the rules refuse this server, StoreDamaged when it has
        lost keys since it was first seen."""
        self.note(shown)
        self.check()

    def note(self, shown: Shown) -> None:
        """Apply the rules to this server, and write down what has changed: also of one that is the
        primary from now on, by a failover, and may be set otherwise than the one before."""
        self._count_evicted(shown)
        found = faults(shown, self._level, kept=self._kept)
        doubts = [one for one in found if not one.refuses]
        self._warn(tuple(f"{shown.node}: {one.said}. {one.advice}" for one in doubts))
        why = refusal(found, shown.node, "Nothing was changed.")
        self._due = self._monotonic() + min(
            self._look_seconds, AGAIN_SECONDS if why else LOOK_SECONDS
        )
        if why and self._refused is None:
            emit("store.unsafe", level="error", store=self._where, detail=why)
        elif self._refused and not why:
            emit("store.safe", store=self._where, detail="the settings hold again")
        self._refused = why

    def check(self) -> None:
        """What the last look found, again."""
        if self._damaged is not None:
            raise StoreDamaged(self._damaged)
        if self._refused is not None:
            raise StoreUnavailable(self._refused, retry_after_seconds=RETRY_AFTER_SECONDS)

    def _count_evicted(self, shown: Shown) -> None:
        """What went before this endpoint came is told as a warning: it may have been others'."""
        if shown.run == self._run and shown.evicted_keys > self._evicted_keys:
            gone = shown.evicted_keys - self._evicted_keys
            self._damaged = (
                f"{shown.node} has thrown {gone:,} keys away for want of memory, and jobs that "
                "were acknowledged are lost. Nothing is served from what is left. Set "
                "maxmemory-policy noeviction, restore a backup or empty it, and start the "
                "endpoints again."
            )
        self._run, self._evicted_keys = shown.run, shown.evicted_keys

    def _warn(self, warnings: tuple[str, ...]) -> None:
        now = self._monotonic()
        again = self._warned_at is None or now - self._warned_at >= WARN_SECONDS
        if warnings and (again or warnings != self.warnings):
            self._warned_at = now
            for one in warnings:
                emit("store.doubtful", level="warning", store=self._where, detail=one)
        self.warnings = warnings
