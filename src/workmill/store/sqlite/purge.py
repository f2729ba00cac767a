"""The verb `purge`: what has been kept long enough goes, a bounded part at a time."""

from __future__ import annotations

from typing import Final

from workmill.domain.lifecycle import Status
from workmill.store.sqlite import clock_leaps, known_results, results
from workmill.store.sqlite.schema import CODES, sql
from workmill.store.sqlite.session import Session

PURGED: Final = (Status.DELIVERED, Status.DONE, Status.FAILED, Status.CANCELLED)
"""The four ends. A pulled result first lapses back to DONE."""

_PURGE = sql("""
    DELETE FROM jobs WHERE seq IN (SELECT seq FROM jobs
        WHERE status > $attached AND status = ? AND until_ms <= ? ORDER BY until_ms LIMIT ?)
""")


def purge(session: Session, max_jobs: int) -> int:
    """See `Store.purge`."""
    results.lapse(session)
    clock_leaps.settle(session.books, session.now_ms)
    books = session.books
    removed = 0
    for status in PURGED:
        if books.jobs[status] and removed < max_jobs:
            given = (CODES[status], session.retention_ms, max_jobs - removed)
            session.connection.execute(_PURGE, given)
            count = session.connection.changes()
            books.jobs[status] -= count
            removed += count
    if removed:
        # An id that went may come back: its tokens must start above any that it ever had.
        books.first_token = books.highest_token
    session.names.forget_idle_workers()
    return removed + known_results.forget_old(session, max_jobs)
