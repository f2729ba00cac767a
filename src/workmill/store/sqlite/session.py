"""What every verb works with: the connection, the books, the names, the time, the bounds."""

from __future__ import annotations

from dataclasses import dataclass, field

import apsw

from workmill.domain import limits
from workmill.store.sqlite.books import Bookkeeper, Books
from workmill.store.sqlite.file import rebuild_memory
from workmill.store.sqlite.names import Names
from workmill.store.sqlite.schema import sql

_GRACE = sql("""
    UPDATE jobs SET until_ms = ?
    WHERE status > $attached AND status = $leased AND until_ms < ?""")


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """How long and how much this store keeps."""

    result_retention_seconds: float = limits.RESULT_RETENTION_SECONDS
    delivered_retention_seconds: float = limits.DELIVERED_RETENTION_SECONDS
    known_retention_seconds: float = limits.KNOWN_RETENTION_SECONDS
    max_known_bytes: int = limits.MAX_KNOWN_BYTES


@dataclass(slots=True)
class Session:
    """One open store as its verbs see it. `now_ms` is read once per group."""

    connection: apsw.Connection
    bounds: Bounds
    now_ms: int = 0
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

    def open(self, now_ms: int) -> None:
        """Take over what the file holds, in one transaction.

        Nobody could renew while the store was closed, so every lease gets a while from now.
        """
        until_ms = now_ms + round(limits.LEASE_SECONDS * 1000)
        with self.connection:
            if self.connection.execute("SELECT count(*) FROM books").get == 0:
                self.keeper.open_new()
            self.load()
            self.connection.execute(_GRACE, (until_ms, until_ms))
            rebuild_memory(self.connection)

    def load(self) -> None:
        """Take what the file says, at open and after a group that failed."""
        self.keeper.load()
        self.names.load()
