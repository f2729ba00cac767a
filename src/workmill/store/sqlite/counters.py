"""The store's books: the counters that verbs keep, and the numbers that only rise.

They are one small row, read at open and written once at the end of a group that changed them:
`stats` costs the same however long the queue is.
"""

from __future__ import annotations

import os
from typing import Final

import apsw
import msgspec

from workmill.domain.lifecycle import Status
from workmill.store.sqlite.schema import NOBODY

EPOCH_BYTES: Final = 8


class Books(msgspec.Struct):
    """One page. The `next_*` numbers are never used twice, not even after a purge."""

    jobs: dict[str, int] = msgspec.field(default_factory=lambda: {str(s): 0 for s in Status})
    backlog_iterations: int = 0
    submitted_total: int = 0
    completed_total: int = 0
    failed_total: int = 0
    cancelled_total: int = 0
    delivered_total: int = 0
    expired_leases_total: int = 0
    attached_total: int = 0
    known_hits_total: int = 0
    iterations_saved_total: int = 0
    iterations_done_total: int = 0
    known_jobs: int = 0
    known_bytes: int = 0
    next_seq: int = 1
    next_holder: int = NOBODY + 1
    first_token: int = 0
    """What a new job's token starts from: at or above every token of an id that was removed."""
    highest_token: int = 0
    lead_holder: str = ""
    lead_token: int = 0
    lead_until_ms: int = 0
    """The present term of a leading controller; see `leadership`."""
    latest_ms: int = 0
    """When the page was last written: a lower bound of the time for whoever opens the file."""
    lag_ms: int = 0
    """How far behind that the time was by which leases and receipts run out; see `served`."""
    leap_ms: int = 0
    """By how much the clock has leapt ahead without counting for retention; see `clock_leaps`."""
    leap_counts_at_ms: int = 0
    """When that leap will count; 0 when never."""
    leap_was_wrong: bool = False
    """Whether the clock has gone back since: the leap then counts after a whole retention."""
    probes: int = 0
    """How often it was proved that changes are taken; see `Store.probe`."""
    epoch: bytes = msgspec.field(default_factory=lambda: os.urandom(EPOCH_BYTES))
    """The first half of every receipt; a restored store has a new one."""

    def move(self, start: Status, end: Status, count: int = 1) -> None:
        """`count` jobs went from one status to another."""
        self.jobs[start] -= count
        self.jobs[end] += count

    def take_holder(self) -> int:
        """A number for a worker or a receipt."""
        self.next_holder += 1
        return self.next_holder - 1


class Bookkeeper:
    """Keeps the page in step with the file."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self.books = Books()
        self._saved = b""

    def open_new(self) -> None:
        """The first page of a new file."""
        self._saved = msgspec.json.encode(self.books)
        self._connection.execute("INSERT INTO books VALUES (?)", (self._saved,))

    def load(self) -> None:
        """Read the page as the file has it, at open and after a group that failed."""
        self._saved = self._connection.execute("SELECT page FROM books").get
        self.books = msgspec.json.decode(self._saved, type=Books)

    def save(self, now_ms: int, lag_ms: int) -> None:
        """Write the page, if anything but the time has changed."""
        if msgspec.json.encode(self.books) != self._saved:
            self.books.latest_ms, self.books.lag_ms = now_ms, lag_ms
            self._saved = msgspec.json.encode(self.books)
            self._connection.execute("UPDATE books SET page = ?", (self._saved,))
