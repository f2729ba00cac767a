"""Known work: the results of finished jobs, kept longer than the jobs, bounded by bytes and age."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from workmill.domain.job import KEY_BYTES
from workmill.store.retention import KNOWN_OVERHEAD_BYTES
from workmill.store.sqlite import work_lookup
from workmill.store.sqlite.bulk_sql import Reader, Row, integers
from workmill.store.sqlite.session import Session

EVICT_JOBS: Final = 1000
"""How many pieces of known work go in one step."""

_REMEMBER = """
    INSERT INTO known SELECT seq, key, total, state, ? FROM jobs WHERE seq IN carray(?)"""


def remember(session: Session, seqs: Sequence[int], state_bytes: int) -> None:
    """Keep the results of these finished jobs, `state_bytes` together, within the bounds."""
    books = session.books
    books.known_jobs += len(seqs)
    books.known_bytes += state_bytes + len(seqs) * (KEY_BYTES + KNOWN_OVERHEAD_BYTES)
    session.connection.execute(_REMEMBER, (session.now_ms, integers(seqs)))
    while (excess := books.known_bytes - session.bounds.max_known_bytes) > 0:
        oldest = _OLDEST(session.connection, session.now_ms, EVICT_JOBS)
        _forget(session, _making_up(oldest, excess))


class _Old(Row, array_like=True, gc=False):
    seq: int
    key: str
    total: int
    state_bytes: int

    @property
    def kept_bytes(self) -> int:
        return self.state_bytes + KEY_BYTES + KNOWN_OVERHEAD_BYTES


_OLDEST = Reader(
    _Old,
    """SELECT json_group_array(json_array(seq, hex(substr(key, 1, 8)), total, length(state)))
    FROM (SELECT * FROM known WHERE known_at_ms <= ? ORDER BY known_at_ms, seq LIMIT ?)""",
)


def forget_old(session: Session, max_jobs: int) -> int:
    """Drop known work past its age, at most `max_jobs`; says how many went."""
    oldest_ms = session.retention_ms - round(session.bounds.known_retention_seconds * 1000)
    rows = _OLDEST(session.connection, oldest_ms, max_jobs)
    _forget(session, rows)
    return len(rows)


def _making_up(rows: list[_Old], excess_bytes: int) -> list[_Old]:
    """As many from the head as make up `excess_bytes`."""
    for count, row in enumerate(rows, start=1):
        excess_bytes -= row.kept_bytes
        if excess_bytes <= 0:
            return rows[:count]
    return rows


def _forget(session: Session, rows: list[_Old]) -> None:
    if not rows:
        return
    session.books.known_jobs -= len(rows)
    session.books.known_bytes -= sum(row.kept_bytes for row in rows)
    work_lookup.remove(
        session, [work_lookup.entry(bytes.fromhex(r.key), r.total, r.seq) for r in rows]
    )
    session.connection.execute(
        "DELETE FROM known WHERE seq IN carray(?)", (integers(row.seq for row in rows),)
    )
