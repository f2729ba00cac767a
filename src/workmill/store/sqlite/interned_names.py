"""Names that stand in every row, written once: tenants, workloads, and workers."""

from __future__ import annotations

import apsw

from workmill.store.sqlite.counters import Bookkeeper
from workmill.store.sqlite.schema import sql


class Names:
    """Name <-> number, for tenants and workloads (few) and for workers (swept by `purge`)."""

    def __init__(self, connection: apsw.Connection, keeper: Bookkeeper) -> None:
        self._connection = connection
        self._keeper = keeper
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._workers: dict[str, int] = {}

    def load(self) -> None:
        """Read all of them, at open and after a group that failed."""
        rows = self._connection.execute("SELECT name, number FROM names")
        self._numbers = {str(name): int(number) for name, number in rows}
        self._names = {number: name for name, number in self._numbers.items()}
        rows = self._connection.execute("SELECT name, number FROM workers")
        self._workers = {str(name): int(number) for name, number in rows}

    def find(self, name: str) -> int | None:
        """The number of a tenant or workload, None when no job ever had it."""
        return self._numbers.get(name)

    def number(self, name: str) -> int:
        """The number of a tenant or workload, a new one for a new name."""
        found = self._numbers.get(name)
        if found is None:
            # From 2 up: SQLite stores 0 and 1 in no byte, and rows should be of one width.
            found = len(self._numbers) + 2
            self._connection.execute("INSERT INTO names VALUES (?, ?)", (found, name))
            self._numbers[name] = found
            self._names[found] = name
        return found

    def name(self, number: int) -> str:
        """The tenant or workload with this number."""
        return self._names[number]

    def worker(self, name: str) -> int:
        """The number of a worker, a new one for a new name."""
        found = self._workers.get(name)
        if found is None:
            found = self._keeper.books.take_holder()
            self._connection.execute("INSERT INTO workers VALUES (?, ?)", (found, name))
            self._workers[name] = found
        return found

    def forget_idle_workers(self) -> None:
        """Drop the workers that hold no lease."""
        self._connection.execute(
            sql("""DELETE FROM workers WHERE number NOT IN
                (SELECT holder FROM jobs WHERE status > $attached AND status = $leased)""")
        )
        self.load()
