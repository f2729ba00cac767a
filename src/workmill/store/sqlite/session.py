"""What every verb works with: the connection, the books, the names, the time, the bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import apsw

from workmill.domain import limits
from workmill.domain.clock import Clock
from workmill.domain.lifecycle import Status
from workmill.store.retention import Bounds
from workmill.store.sqlite import clock_leaps
from workmill.store.sqlite.content_index import WorkIndex
from workmill.store.sqlite.counters import Bookkeeper, Books
from workmill.store.sqlite.interned_names import Names
from workmill.store.sqlite.schema import sql
from workmill.store.sqlite.served_time import ServedTime, set_terms_on

_GRACE = sql("""
    UPDATE jobs SET until_ms = ?
    WHERE status > $attached AND status = $leased AND until_ms < ?""")


@dataclass(slots=True)
class Session:
    """One open store as its verbs see it. `now_ms` is read once per group."""

    connection: apsw.Connection
    bounds: Bounds
    index: WorkIndex
    served: ServedTime
    now_ms: int = 0
    served_ms: int = 0
    """The time by which leases and receipts run out: where nobody could be served it stood."""
    ahead_ms: int = 0
    """How far the file's latest time is before the clock's: time here never goes back."""
    _ahead_before_ms: int = 0
    """The same before the present group."""
    unplaced: bool = True
    """Whether there may be jobs whose work was not looked up yet."""
    keeper: Bookkeeper = field(init=False)
    names: Names = field(init=False)

    def __post_init__(self) -> None:
        self.keeper = Bookkeeper(self.connection)
        self.names = Names(self.connection, self.keeper)

    @property
    def books(self) -> Books:
        return self.keeper.books

    def in_seconds(self, seconds: float) -> int:
        """The time `seconds` from now, in milliseconds."""
        return self.now_ms + round(seconds * 1000)

    def term(self, seconds: float) -> int:
        """When a lease or a receipt of `seconds` that is given now runs out."""
        return self.served_ms + round(seconds * 1000)

    @property
    def retention_ms(self) -> int:
        """The time by which retention ends: now, without a leap of the clock that may be wrong."""
        return self.now_ms - self.books.leap_ms

    @property
    def result_retention_ms(self) -> int:
        """How long results are kept that nobody fetches."""
        return round(self.bounds.result_retention_seconds * 1000)

    def read(self, clock: Clock) -> None:
        """Take the time for one group."""
        self._ahead_before_ms = self.ahead_ms
        self.now_ms = clock() + self.ahead_ms
        self.served_ms = self.served.look(self.now_ms)

    def catch_up(self) -> None:
        """Go on from the file's latest time where the clock is before it."""
        behind_ms = max(0, self.books.latest_ms - self.now_ms)
        self._set_on(behind_ms)

    def take_back_time(self) -> None:
        """A restore that failed has not moved the time on."""
        self._set_on(self._ahead_before_ms - self.ahead_ms)

    def _set_on(self, by_ms: int) -> None:
        self.ahead_ms += by_ms
        self.now_ms += by_ms
        self.served_ms += by_ms
        self.served.leap(by_ms)

    def open(self, now_ms: int) -> None:
        """Take over what the file holds, in one transaction.

        Nobody could renew while the store was closed, so every lease gets a while from now.
        """
        self.now_ms = self.served_ms = self.served.begin(now_ms)
        leap_ms = 0
        with self.connection:
            if self.connection.execute("SELECT count(*) FROM books").get == 0:
                self.keeper.open_new()
            self.load()
            leap_ms = clock_leaps.note(self.books, now_ms, self.result_retention_ms)
            self.catch_up()
            set_terms_on(self.connection, self.books.lag_ms)
            until_ms = self.term(limits.LEASE_SECONDS)
            self.connection.execute(_GRACE, (until_ms, until_ms))
            self.books.lag_ms = 0
            self.keeper.save(self.now_ms, 0)
        clock_leaps.tell(leap_ms, when="while it was closed")
        self.fill_index()

    def fill_index(self) -> None:
        """Find all work again in what is committed now."""
        jobs = self.books.jobs
        running = jobs[Status.QUEUED] + jobs[Status.LEASED]
        self.index.fill(running + self.books.known_jobs)
        self.unplaced = jobs[Status.ATTACHED] > 0

    def load(self) -> None:
        """Take what the file says, at open and after a group that failed."""
        self.keeper.load()
        self.names.load()
