"""Whether the jobs and the books of a backup can be of one store.

SQLite's own check finds torn pages, not numbers that make no sense. A status that nobody knows,
or a `seq` that is used already, would fail every verb that meets it, long after the store that
was replaced is gone.
"""

from __future__ import annotations

from typing import Final

import msgspec

from workmill.domain.ids import ID_BYTES
from workmill.domain.job import KEY_BYTES
from workmill.domain.lifecycle import Status
from workmill.store.bounds import KNOWN_OVERHEAD_BYTES
from workmill.store.sqlite.books import Books
from workmill.store.sqlite.schema import BY_CODE, sql
from workmill.store.sqlite.session import Session
from workmill.store.sqlite.sets import one

_LARGEST: Final = 2**62
_COUNTED: Final = "SELECT status, count(*) FROM jobs GROUP BY status"
_IMPOSSIBLE: Final = sql("""
    SELECT count(*) FROM jobs WHERE seq >= ? OR token > ? OR length(id) <> ? OR length(key) <> ?
        OR done > total OR (status = $attached) <> (leader IS NOT NULL)
        OR workload NOT IN (SELECT number FROM names) OR tenant NOT IN (SELECT number FROM names)
""")
_KNOWN_BYTES: Final = "SELECT ifnull(sum(length(state) + ?), 0) FROM known"


def contradiction(session: Session) -> str | None:
    """What cannot be, in words; None when all is well."""
    connection, books = session.connection, session.books
    numbers = [value for value in msgspec.structs.astuple(books) if isinstance(value, int)]
    if set(books.jobs) != set(Status) or not all(0 <= n < _LARGEST for n in numbers):
        return "has books that no store keeps"
    counted = {BY_CODE.get(code): count for code, count in connection.execute(_COUNTED)}
    if counted != {status: count for status, count in books.jobs.items() if count}:
        return "holds other jobs than its books say"
    given = (books.next_seq, books.highest_token, ID_BYTES, KEY_BYTES)
    if impossible := one(connection, _IMPOSSIBLE, *given):
        return f"holds {impossible} jobs that no store makes"
    if not _known_is_counted(session, books):
        return "holds other known work than its books say"
    return None


def _known_is_counted(session: Session, books: Books) -> bool:
    count = one(session.connection, "SELECT count(*) FROM known")
    size = one(session.connection, _KNOWN_BYTES, KEY_BYTES + KNOWN_OVERHEAD_BYTES)
    return (count, size) == (books.known_jobs, books.known_bytes)
