"""The time in which this store could be spoken to: leases and receipts run out by it.

Theory. Whoever holds a lease has to be able to renew it. A process that was stopped, or whose disk
hung, wakes to a clock that went on; the first `lease` would take back what nobody could renew, and
count an attempt against every job. So between the beginnings of two groups no more than `STEP_MS`
counts: while it serves, an endpoint's beat makes a group a second. And what passed between the last
change that was kept and a refusal does not count either: with a full disk no renewal was possible.

This time begins with the store's at each opening, when what runs by it is set on by as much as it
was behind (`set_terms_on`), and falls behind it with each such gap. All else
(retention, the times that jobs show) goes by the store's. A store on Redis gives leases time after
a silence of its callers, which comes to the same; see `functions/session.lua` there.
"""

from __future__ import annotations

from typing import Final

import apsw

from workmill.store.sqlite.schema import sql

STEP_MS: Final = 2000
"""What counts between two groups at most: twice the pause between an endpoint's beats."""
_SET_ON = sql("""
    UPDATE jobs SET until_ms = max(0, until_ms + ?)
    WHERE status > $attached AND status IN ($leased, $pulled)""")


class ServedTime:
    """Falls behind the store's time where nobody could be served; never goes back behind what was
    kept."""

    def __init__(self, *, whole: bool) -> None:
        """`whole` counts everything, for a test that moves the clock itself."""
        self._whole = whole
        self._looked_ms = 0
        self._lag_ms = 0
        self._kept_ms = 0

    def begin(self, now_ms: int) -> int:
        """From here on, without a lag."""
        self._looked_ms = self._kept_ms = now_ms
        self._lag_ms = 0
        return now_ms

    @property
    def lag_ms(self) -> int:
        """How far it is behind the store's time."""
        return self._lag_ms

    def leap(self, by_ms: int) -> None:
        """The store's time was set on by so much, or back again."""
        self._looked_ms += by_ms
        self._kept_ms += by_ms

    def look(self, now_ms: int) -> int:
        """The time for a group that begins now."""
        gap_ms = now_ms - self._looked_ms
        if gap_ms > STEP_MS and not self._whole:
            self._lag_ms += gap_ms - STEP_MS
        self._looked_ms = now_ms
        return now_ms - self._lag_ms

    def kept(self) -> None:
        """The group has changed something, and that is on stable storage."""
        self._kept_ms = self._looked_ms - self._lag_ms

    def refused(self) -> None:
        """The group was refused, as every renewal would have been."""
        if not self._whole:
            self._lag_ms = self._looked_ms - self._kept_ms


def set_terms_on(connection: apsw.Connection, by_ms: int) -> None:
    """Have all leases and receipts of this file run out by so much later, or earlier: it was
    written by a time that was as much behind as another one's is now."""
    if by_ms:
        connection.execute(_SET_ON, (by_ms,))
