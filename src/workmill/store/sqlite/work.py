"""Finding work by its content: what is running now, and what is known already.

Both memory indexes hold entries of 24 bytes that sort as (key, total, number): 8 bytes of the
key, 8 of the total, 8 of the row's number, big-endian. Eight bytes of a BLAKE2b digest tell
millions of keys apart, and every hit is checked against the whole key in the file: two keys
that share them cost a missed reuse, never a wrong one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from workmill.domain.job import KEY_BYTES
from workmill.store.sqlite.session import Session
from workmill.store.sqlite.sets import Reader, Row, blobs, integers

PREFIX_BYTES: Final = 8
KNOWN_OVERHEAD_BYTES: Final = 96
"""Key, state and this much for the row and its index entry make up the bytes of known work."""
EVICT_JOBS: Final = 1000
"""How many pieces of known work go in one step."""

_LAST = b"\xff" * 8


def entry(prefix: bytes, total: int, number: int) -> bytes:
    """The index entry of the row `number`; only the first bytes of `prefix` count."""
    return prefix[:PREFIX_BYTES] + total.to_bytes(8, "big") + number.to_bytes(8, "big")


class Standing(Row, array_like=True, gc=False):
    """A running job or a piece of known work: how far its key has come."""

    number: int
    key: str
    total: int
    done: int
    state: str


@dataclass(slots=True)
class Found:
    """What is there for one (key, total): the running job, and the furthest known state."""

    running: Standing | None = None
    known: Standing | None = None


class _Hit(Row, array_like=True, gc=False):
    place: int
    running: str
    known: str


_HITS = Reader(
    _Hit,
    """
    WITH probe AS MATERIALIZED (
        SELECT rowid AS place, value,
            (SELECT max(entry) FROM mem.running WHERE entry <= value) AS running,
            (SELECT max(entry) FROM mem.known_at WHERE entry <= value) AS known
        FROM carray(?))
    SELECT json_group_array(json_array(place,
        CASE WHEN substr(running, 1, 16) = substr(value, 1, 16) THEN hex(running) ELSE '' END,
        CASE WHEN substr(known, 1, 8) = substr(value, 1, 8) THEN hex(known) ELSE '' END))
    FROM probe WHERE substr(running, 1, 16) = substr(value, 1, 16)
        OR substr(known, 1, 8) = substr(value, 1, 8)
    """,
)
_RUNNING = Reader(
    Standing,
    """SELECT json_group_array(json_array(seq, hex(key), total, done, hex(state)))
    FROM jobs WHERE seq IN carray(?)""",
)
_KNOWN = Reader(
    Standing,
    """SELECT json_group_array(json_array(number, hex(key), total, total, hex(state)))
    FROM known WHERE number IN carray(?)""",
)


def find(session: Session, wanted: Sequence[tuple[bytes, int]]) -> dict[tuple[bytes, int], Found]:
    """What is running or known for each (key, total); those with nothing are left out."""
    probes = [entry(key, total, 0)[:-8] + _LAST for key, total in wanted]
    hits = _HITS(session.connection, blobs(probes))
    if not hits:
        return {}
    running = _standing(session, _RUNNING, [hit.running for hit in hits])
    known = _standing(session, _KNOWN, [hit.known for hit in hits])
    found = {}
    for hit in hits:
        key, total = wanted[hit.place - 1]
        found[key, total] = Found(
            running=_same_key(running.get(hit.running), key),
            known=_same_key(known.get(hit.known), key),
        )
    return found


def _standing(
    session: Session, reader: Reader[Standing], entries: list[str]
) -> dict[str, Standing]:
    numbers = {text: int(text[-16:], 16) for text in entries if text}
    if not numbers:
        return {}
    rows = {row.number: row for row in reader(session.connection, integers(numbers.values()))}
    return {text: rows[number] for text, number in numbers.items()}


def _same_key(standing: Standing | None, key: bytes) -> Standing | None:
    return standing if standing and bytes.fromhex(standing.key) == key else None


def start_running(session: Session, entries: Sequence[bytes]) -> None:
    """These jobs now lead their work: later submits of it attach to them."""
    if entries:
        session.connection.execute(
            "INSERT INTO mem.running SELECT value FROM carray(?)", (blobs(sorted(entries)),)
        )


def stop_running(session: Session, entries: Sequence[bytes]) -> None:
    """These jobs no longer lead."""
    if entries:
        session.connection.execute(
            "DELETE FROM mem.running WHERE entry IN carray(?)", (blobs(sorted(entries)),)
        )


_REMEMBER = """
    INSERT INTO known
    SELECT ? + c.rowid - 1, j.key, j.total, j.state, ?
    FROM carray(?) c CROSS JOIN jobs j ON j.seq = c.value"""


def remember(
    session: Session, finished: Sequence[tuple[int, bytes, int]], state_bytes: int
) -> None:
    """Note the results of finished jobs, each (seq, key prefix, total), then keep the bounds."""
    books = session.books
    base = books.next_known
    books.next_known += len(finished)
    books.known_jobs += len(finished)
    books.known_bytes += state_bytes + len(finished) * (KEY_BYTES + KNOWN_OVERHEAD_BYTES)
    seqs = integers(seq for seq, _, _ in finished)
    session.connection.execute(_REMEMBER, (base, session.now_ms, seqs))
    entries = [entry(prefix, total, base + i) for i, (_, prefix, total) in enumerate(finished)]
    session.connection.execute(
        "INSERT INTO mem.known_at SELECT value FROM carray(?)", (blobs(sorted(entries)),)
    )
    while (excess := books.known_bytes - session.bounds.max_known_bytes) > 0:
        rows = _OLDEST(session.connection, EVICT_JOBS, session.now_ms)
        _forget(session, _making_up(rows, excess))


class _Old(Row, array_like=True, gc=False):
    number: int
    key: str
    total: int
    state_bytes: int


_OLDEST = Reader(
    _Old,
    """SELECT json_group_array(json_array(number, hex(substr(key, 1, 8)), total, length(state)))
    FROM (SELECT * FROM known ORDER BY number LIMIT ?) WHERE known_at_ms <= ?""",
)
# The log is in the order of completion, so its head is its oldest part.


def forget_old(session: Session, max_jobs: int) -> int:
    """Drop known work past its age, at most `max_jobs`; says how many went."""
    oldest_ms = session.in_seconds(-session.bounds.known_retention_seconds)
    rows = _OLDEST(session.connection, max_jobs, oldest_ms)
    _forget(session, rows)
    return len(rows)


def _making_up(rows: list[_Old], excess_bytes: int) -> list[_Old]:
    """As many from the head as make up `excess_bytes`."""
    for count, row in enumerate(rows, start=1):
        excess_bytes -= _kept_bytes(row)
        if excess_bytes <= 0:
            return rows[:count]
    return rows


def _kept_bytes(row: _Old) -> int:
    return row.state_bytes + KEY_BYTES + KNOWN_OVERHEAD_BYTES


def _forget(session: Session, rows: list[_Old]) -> None:
    if not rows:
        return
    session.books.known_jobs -= len(rows)
    session.books.known_bytes -= sum(map(_kept_bytes, rows))
    entries = [entry(bytes.fromhex(r.key), r.total, r.number) for r in rows]
    session.connection.execute(
        "DELETE FROM mem.known_at WHERE entry IN carray(?)", (blobs(sorted(entries)),)
    )
    session.connection.execute(
        "DELETE FROM known WHERE number IN carray(?)", (integers(r.number for r in rows),)
    )
