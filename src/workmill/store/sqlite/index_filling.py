"""Placing: the jobs that came while the index of work was being filled find their work.

Such a job is ATTACHED to nobody yet: its `leader` is UNPLACED, a `seq` that no job has. It is
acknowledged and durable like any other, and no worker gets it, so nothing is computed twice. Once
the index is there, the groups that follow place some of them each, eldest first: a job whose work
is known is settled, one whose work runs is attached to it, any other is promoted into the queue.
All three are steps of the lifecycle table. A store that is closed before goes on with it later.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from workmill.domain.lifecycle import Status, Verb
from workmill.store.sqlite import work_lookup
from workmill.store.sqlite.bulk_sql import Cell, Reader, Row, Writer
from workmill.store.sqlite.schema import UNPLACED, code_after
from workmill.store.sqlite.session import Session
from workmill.store.sqlite.work_lookup import Content, Found

PLACED_JOBS: Final = 500
"""How many one group places beside its own calls."""


class _Unplaced(Row, array_like=True, gc=False):
    seq: int
    key: str
    total: int
    done: int
    rank: int

    @property
    def content(self) -> Content:
        return bytes.fromhex(self.key), self.total


_UNPLACED = Reader(
    _Unplaced,
    """SELECT json_group_array(json_array(seq, hex(key), total, done, rank))
    FROM (SELECT * FROM jobs WHERE leader = ? ORDER BY seq LIMIT ?)""",
)
_PROMOTE = Writer(
    3,
    """
    WITH given(status) AS (VALUES (?)), step(seq, done, state) AS (VALUES $rows)
    UPDATE jobs SET status = given.status, leader = NULL, done = step.done,
        state = ifnull(step.state, jobs.state)
    FROM given, step WHERE jobs.seq = step.seq
    """,
)
_ATTACH = Writer(
    2,
    """
    WITH step(seq, leader) AS (VALUES $rows)
    UPDATE jobs SET leader = step.leader FROM step WHERE jobs.seq = step.seq
    """,
)
_SETTLE = Writer(
    2,
    """
    WITH given(status, now_ms, until_ms) AS (VALUES (?, ?, ?)),
        value(seq, state) AS (VALUES $rows)
    UPDATE jobs SET status = given.status, leader = NULL, state = value.state,
        ended_at_ms = given.now_ms, until_ms = given.until_ms
    FROM given, value WHERE jobs.seq = value.seq
    """,
)


@dataclass(slots=True)
class _Placed:
    promoted: list[tuple[Cell, ...]] = field(default_factory=list)
    attached: list[tuple[Cell, ...]] = field(default_factory=list)
    settled: list[tuple[Cell, ...]] = field(default_factory=list)
    leaders: dict[Content, int] = field(default_factory=dict)
    entries: list[bytes] = field(default_factory=list)
    ranks: dict[int, int] = field(default_factory=dict)


def place(session: Session, max_jobs: int = PLACED_JOBS) -> int:
    """Place the eldest unplaced jobs, inside a group; says how many there were."""
    rows = _UNPLACED(session.connection, UNPLACED, max_jobs)
    if not rows:
        return 0
    found = work_lookup.find(session, list({row.content for row in rows}))
    placed = _Placed()
    for row in rows:
        _place_one(session, placed, row, found.get(row.content) or Found())
    _write(session, placed)
    return len(rows)


def _place_one(session: Session, placed: _Placed, row: _Unplaced, found: Found) -> None:
    books, known = session.books, found.known
    leader = found.running.seq if found.running else placed.leaders.get(row.content)
    if known and known.done == row.total:
        placed.settled.append((row.seq, bytes.fromhex(known.state)))
        books.known_hits_total += 1
        books.iterations_saved_total += row.total - row.done
        return
    if leader is not None:
        placed.attached.append((row.seq, leader))
        placed.ranks[leader] = min(row.rank, placed.ranks.get(leader, row.rank))
        return
    done, state = row.done, None
    if known and known.done > done:
        done, state = known.done, bytes.fromhex(known.state)
        books.known_hits_total += 1
        books.iterations_saved_total += done - row.done
    books.backlog_iterations += row.total - done
    placed.promoted.append((row.seq, done, state))
    placed.leaders[row.content] = row.seq
    placed.entries.append(work_lookup.entry(row.content[0], row.total, row.seq))


def _write(session: Session, placed: _Placed) -> None:
    connection, books = session.connection, session.books
    queued = code_after(Status.ATTACHED, Verb.PROMOTE)
    done = code_after(Status.ATTACHED, Verb.SETTLE)
    until_ms = session.in_seconds(session.bounds.result_retention_seconds)
    _PROMOTE(connection, placed.promoted, queued)
    _ATTACH(connection, placed.attached)
    _SETTLE(connection, placed.settled, done, session.now_ms, until_ms)
    work_lookup.add(session, placed.entries)
    work_lookup.lift(session, placed.ranks)
    books.move(Status.ATTACHED, Status.QUEUED, len(placed.promoted))
    books.move(Status.ATTACHED, Status.DONE, len(placed.settled))
    books.attached_total += len(placed.attached)
    books.completed_total += len(placed.settled)
