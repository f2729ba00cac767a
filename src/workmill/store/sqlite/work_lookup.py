"""Finding work by its content: what is running now, and what is known already.

The index (see `content_index`) holds entries of 24 bytes that sort as (key, total, seq): 8 bytes of
the key, 8 of the total, 8 of the seq, big-endian. It is there from the submit of a job that leads
its work until its known result is forgotten. Eight bytes of a BLAKE2b digest tell millions of keys
apart, and every hit is checked against the whole key in the file: two keys that share them cost a
missed reuse, never a wrong one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from struct import Struct
from typing import Final

from workmill.store.sqlite.bulk_sql import Reader, Row, Writer, blobs, integers
from workmill.store.sqlite.session import Session

PREFIX_BYTES: Final = 8
NEAR_ENTRIES: Final = 16
"""How many shorter runs of the same data are looked at for the furthest known one."""

_ENTRY: Final = Struct(f">{PREFIX_BYTES}sqq")

Content = tuple[bytes, int]
"""(key, total): which data, and how many iterations."""


def entry(prefix: bytes, total: int, seq: int) -> bytes:
    """The index entry of a job; only the first bytes of `prefix` count."""
    return _ENTRY.pack(prefix, total, seq)


class Standing(Row, array_like=True, gc=False):
    """A running job or a piece of known work: how far its key has come."""

    seq: int
    key: str
    total: int
    done: int
    state: str


@dataclass(slots=True)
class Found:
    """What is there for one content: the running job, and the furthest known state."""

    running: Standing | None = None
    known: Standing | None = None


class _Near(Row, array_like=True, gc=False):
    place: int
    entries: list[str]


_HITS = Reader(
    int,
    """
    WITH probe AS MATERIALIZED (
        SELECT rowid - 1 AS place, value,
            (SELECT max(entry) FROM work WHERE entry <= value) AS entry
        FROM carray(?))
    SELECT json_group_array(place) FROM probe WHERE substr(entry, 1, 8) = substr(value, 1, 8)
    """,
)
_NEAR = Reader(
    _Near,
    """
    SELECT json_group_array(json_array(c.rowid - 1, json(
        (SELECT json_group_array(hex(entry)) FROM (
            SELECT entry FROM work WHERE entry BETWEEN substr(c.value, 1, 8) AND c.value
            ORDER BY entry DESC LIMIT ?)))))
    FROM carray(?) c
    """,
)
_RUNNING = Reader(
    Standing,
    """SELECT json_group_array(json_array(seq, hex(key), total, done, hex(state)))
    FROM jobs WHERE seq IN carray(?) AND status IN ($queued, $leased)""",
)
_KNOWN = Reader(
    Standing,
    """SELECT json_group_array(json_array(seq, hex(key), total, total, hex(state)))
    FROM known WHERE seq IN carray(?)""",
)

_RAISE = Writer(
    2,
    """
    WITH new(seq, rank) AS (VALUES $rows)
    UPDATE jobs SET rank = new.rank FROM new WHERE jobs.seq = new.seq AND jobs.rank > new.rank
    """,
)


def find(session: Session, wanted: Sequence[Content]) -> dict[Content, Found]:
    """What is running or known for each content; those with nothing are left out. The index must
    not be building."""
    probes = [entry(key, total, 2**63 - 1) for key, total in wanted]
    table = session.index.table
    hits = _HITS(table, blobs(probes))
    if not hits:
        return {}
    near = _NEAR(table, NEAR_ENTRIES, blobs(probes[place] for place in hits))
    seqs = {int(text[-16:], 16) for one in near for text in one.entries}
    running = {row.seq: row for row in _RUNNING(session.connection, integers(seqs))}
    known = {row.seq: row for row in _KNOWN(session.connection, integers(seqs))}
    found = {}
    for one in near:
        content = wanted[hits[one.place]]
        around = [int(text[-16:], 16) for text in one.entries]
        found[content] = Found(
            running=_first(content, [running[seq] for seq in around if seq in running], exact=True),
            known=_first(content, [known[seq] for seq in around if seq in known], exact=False),
        )
    return found


def _first(content: Content, rows: list[Standing], *, exact: bool) -> Standing | None:
    """The first row with the content's whole key, and with its total where that is asked."""
    key, total = content
    same = (row for row in rows if bytes.fromhex(row.key) == key)
    return next((row for row in same if row.total == total or not exact), None)


def add(session: Session, entries: Sequence[bytes]) -> None:
    """These jobs now lead their work: later submits of it find them."""
    session.index.add(entries)


def lift(session: Session, ranks: Mapping[int, int]) -> None:
    """Move each job (by `seq`) up to this rank, if somebody so urgent waits for it; never down."""
    if ranks:
        _RAISE(session.connection, list(ranks.items()))


def remove(session: Session, entries: Sequence[bytes]) -> None:
    """These jobs ended without a result, or their results are forgotten."""
    session.index.remove(entries)
