"""The index of work by content, beside the file: 24-byte entries in a memory database of its own.

Theory. An entry may be there without its job (a change that was rolled back, a job that was
removed): every hit is checked against the file, so that costs a look and nothing else. An entry
that is missing would have work computed twice. So entries are added before the commit and removed
after it, and the index need not be part of the file's transactions.

That is what lets it be filled while the store serves. A long store's index takes longer to fill
than anybody should wait for its jobs; so a thread fills it, in steps of one statement each, from
the committed file. Until that is done nothing can be said about a new job's work, so new jobs are
kept unplaced (see `index_filling`), and what else comes or goes is noted and carried out at the
end.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

import apsw

from workmill.store.sqlite.bulk_sql import blobs
from workmill.store.sqlite.schema import sql

FILLED_AT_ONCE: Final = 100_000
"""Up to so many entries are filled in before the store is open: about 0.2 s."""
STEP_SEQS: Final = 1_000_000
"""How many `seq` one statement looks at. Each step walks all of the index in order, so many small
ones cost more; but a statement is a reader, which keeps the log from being used again."""

_TABLE: Final = "CREATE TABLE work(entry BLOB PRIMARY KEY) WITHOUT ROWID"
_NEXT: Final = """
    SELECT min(seq) FROM (SELECT min(seq) AS seq FROM file.jobs WHERE seq >= ?1
        UNION ALL SELECT min(seq) FROM file.known WHERE seq >= ?1)"""
_FILL: Final = sql("""
    INSERT OR IGNORE INTO work
    SELECT unhex(printf('%s%016x%016x', hex(substr(key, 1, 8)), total, seq)) AS entry FROM (
        SELECT key, total, seq FROM file.jobs
            WHERE seq BETWEEN ?1 AND ?2 AND status IN ($queued, $leased)
        UNION ALL SELECT key, total, seq FROM file.known WHERE seq BETWEEN ?1 AND ?2)
    ORDER BY entry
""")
"""One statement sees one state of the file: a job that ends meanwhile is either still running in
it or known already."""


class WorkIndex:
    """The entries of all work that runs or is known in `file`."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._failure: BaseException | None = None
        self._added: list[bytes] = []
        self._removed: list[bytes] = []
        self._late: tuple[list[bytes], list[bytes]] = [], []
        self.table = self._new_table()

    @property
    def building(self) -> bool:
        """Whether it does not have all entries yet, and must not be looked at."""
        return self._thread is not None

    def fill(self, entries: int) -> None:
        """Fill it anew from the committed file, which has about so many: at once when they are few,
        else in a thread while the store goes on."""
        self.stop()
        self._empty()
        if entries <= FILLED_AT_ONCE:
            self._fill()
        else:
            self._begin()

    def _empty(self) -> None:
        self.table.close()
        self.table = self._new_table()

    def _begin(self) -> None:
        thread = threading.Thread(target=self._fill_apart, name="index", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # no thread is allowed here now: the store waits instead
            self._fill_apart()
        self._thread = thread

    def take_over(self) -> None:
        """Use what the thread has filled, if it is done; carry out what came meanwhile. Raises what
        the thread met, which has begun anew then: half an index is never looked at."""
        if self._thread is None or self._thread.is_alive():
            return
        if self._failure is not None:
            failure, self._failure = self._failure, None
            self._empty()
            self._begin()
            raise failure
        self._thread = None
        added, removed = self._late
        self._late = [], []
        self._insert(added)
        self._delete(removed)

    def add(self, entries: Sequence[bytes]) -> None:
        """These are found from now on, also when the change is taken back."""
        self._added += entries
        if not self.building:
            self._insert(entries)

    def remove(self, entries: Sequence[bytes]) -> None:
        """These go when the change is committed."""
        self._removed += entries

    def commit(self) -> None:
        """The changes since the last commit stand."""
        if self.building:
            self._late[0].extend(self._added)
            self._late[1].extend(self._removed)
        elif self._removed:
            self._delete(self._removed)
        self._added, self._removed = [], []

    def roll_back(self) -> None:
        """The changes since the last commit do not stand."""
        if not self.building:
            self._delete(self._added)
        self._added, self._removed = [], []

    def stop(self) -> None:
        """End the thread, before the file is closed or replaced."""
        if self._thread is not None:
            self._stopping = True
            if self._thread.is_alive():
                self._thread.join()
            self._thread, self._stopping, self._failure = None, False, None
            self._late = [], []

    def close(self) -> None:
        """Let go of the file and of the memory."""
        self.stop()
        self.table.close()

    def _new_table(self) -> apsw.Connection:
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE | apsw.SQLITE_OPEN_URI
        table = apsw.Connection(":memory:", flags=flags)
        table.execute("PRAGMA temp_store = MEMORY")
        table.execute(_TABLE)
        return table

    def _insert(self, entries: Sequence[bytes]) -> None:
        if entries:
            self.table.execute(
                "INSERT OR IGNORE INTO work SELECT value FROM carray(?)", (blobs(sorted(entries)),)
            )

    def _delete(self, entries: Sequence[bytes]) -> None:
        if entries:
            self.table.execute(
                "DELETE FROM work WHERE entry IN carray(?)", (blobs(sorted(entries)),)
            )

    def _fill_apart(self) -> None:
        try:
            self._fill()
        except BaseException as error:  # noqa: BLE001 - raised by take_over, in the store's thread
            self._failure = error

    def _fill(self) -> None:
        self.table.execute("ATTACH ? AS file", (f"file:{quote(str(self._file))}?mode=ro",))
        try:
            start = 0
            while not self._stopping and (found := self.table.execute(_NEXT, (start,)).get):
                start = found + STEP_SEQS
                self.table.execute(_FILL, (found, start - 1))
        finally:
            self.table.execute("DETACH file")
