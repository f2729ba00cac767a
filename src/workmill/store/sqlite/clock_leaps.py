"""A clock that has leapt between two lives of a store, and what may be purged then.

Theory. While a store is open its time goes by a clock that does not step. At opening it is the
machine's, and that may be wrong, now or in the life before: a host that started nine days back
dates its results nine days back, and with the right time they are all past their retention at
once. A long rest looks the same from here, and in it nobody could fetch anything either. So a leap
is told, and does not count for retention at first: what is purged goes by the time without the
leap. The leap counts when the store has run for a day after it, which gives a person the time to
see the event. If the clock goes back meanwhile, the leap was an error. The store's time does not go
back, so what is kept from then on is dated with the leap in it: what was there has its whole
retention once more, and then the leap counts, or nothing would ever be purged again in time.
"""

from __future__ import annotations

from typing import Final

from workmill.domain.clock import Clock
from workmill.store.sqlite.counters import Books
from workmill.telemetry import emit

LEAP_MS: Final = 3600 * 1000
"""A difference above this between the file's latest time and the clock is a leap."""
CONFIRM_MS: Final = 24 * 3600 * 1000
"""How long a store must have run with the new time before it counts for retention."""


def note(books: Books, clock_ms: int, retention_ms: int) -> int:
    """Compare the clock with the latest time in the books, at opening or after a restore; how far
    it has leapt in milliseconds, 0 when it has not. `retention_ms` is that of results."""
    if not books.latest_ms:
        return 0
    leap_ms = clock_ms - books.latest_ms
    if leap_ms > LEAP_MS:
        books.leap_ms += leap_ms
        books.leap_counts_at_ms = clock_ms + CONFIRM_MS
        books.leap_was_wrong = False
        return leap_ms
    if leap_ms < -LEAP_MS:
        if books.leap_ms and not books.leap_was_wrong:
            books.leap_counts_at_ms = books.latest_ms + retention_ms
            books.leap_was_wrong = True
        return leap_ms
    return 0


def tell(leap_ms: int, *, when: str) -> None:
    """Say that the clock has leapt, if it has."""
    if leap_ms:
        emit(
            "store.clock_leapt",
            level="warning",
            leap_seconds=leap_ms / 1000,
            when=when,
            purge="as if it had not, until the store has run for a day with this clock",
        )


def settle(books: Books, now_ms: int) -> None:
    """Let a leap count that has lasted long enough."""
    if books.leap_counts_at_ms and now_ms >= books.leap_counts_at_ms:
        emit("store.clock_confirmed", leap_seconds=books.leap_ms / 1000)
        books.leap_ms = books.leap_counts_at_ms = 0
        books.leap_was_wrong = False


class Drift:
    """How far the machine's clock is from the store's while it is open."""

    def __init__(self, wall: Clock) -> None:
        self._wall = wall
        self._told_ms: int | None = None

    def tell(self, steady_ms: int) -> None:
        """Say once that the clock was set, or that the machine slept: the store goes on with its
        own time, and the next opening will meet the leap."""
        drift_ms = self._wall() - steady_ms
        if self._told_ms is None:
            self._told_ms = drift_ms
        if abs(drift_ms - self._told_ms) > LEAP_MS:
            tell(drift_ms - self._told_ms, when="while it was open")
            self._told_ms = drift_ms
