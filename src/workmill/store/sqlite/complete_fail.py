"""How a leased job leaves its worker: `complete`, `fail`, and a lease that has run out.

Jobs attached to it go the same way, except that a retry does not touch them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from workmill.domain.job import Completion, Failure, Verdict
from workmill.domain.lifecycle import Status, Verb
from workmill.domain.limits import MAX_REASON_CHARACTERS
from workmill.domain.retry import after_lost_lease, buried_reason, lost_lease
from workmill.store.sqlite import known_results, leased_rows, work_lookup
from workmill.store.sqlite.bulk_sql import Cell, Reader, Row, Writer, integers
from workmill.store.sqlite.leased_rows import Held
from workmill.store.sqlite.schema import NOBODY, code_after
from workmill.store.sqlite.session import Session

RECLAIM_JOBS: Final = 10_000
"""How many lost leases one `lease` brings back; the next one goes on."""

_FINISH = Writer(
    2,
    """
    WITH given(status, nobody, now_ms, until_ms) AS (VALUES (?, ?, ?, ?)),
        value(seq, state) AS (VALUES $rows)
    UPDATE jobs SET status = given.status, holder = given.nobody, state = value.state,
        ended_at_ms = given.now_ms, until_ms = given.until_ms
    FROM given, value WHERE jobs.seq = value.seq
    """,
)
_SETTLE = """
    UPDATE jobs SET status = ?, ended_at_ms = ?, until_ms = ?, leader = NULL,
        state = (SELECT l.state FROM jobs l WHERE l.seq = jobs.leader)
    WHERE leader IN carray(?)"""


def complete(session: Session, completions: Sequence[Completion]) -> list[Verdict]:
    """See `Store.complete`."""
    rows = leased_rows.read(session, [completion.id for completion in completions])
    verdicts, finished, values = [], list[Held](), list[tuple[Cell, ...]]()
    for row, completion in zip(rows, completions, strict=True):
        verdict = leased_rows.judge(row, completion, completion.state)
        verdicts.append(verdict)
        if row and verdict is Verdict.APPLIED:
            row.take(Verb.COMPLETE)
            finished.append(row)
            values.append((row.seq, completion.state))
    if finished:
        _finish(session, finished, values)
    return verdicts


def _finish(session: Session, rows: list[Held], values: list[tuple[Cell, ...]]) -> None:
    until_ms = session.in_seconds(session.bounds.result_retention_seconds)
    done = code_after(Status.LEASED, Verb.COMPLETE)
    _FINISH(session.connection, values, done, NOBODY, session.now_ms, until_ms)
    left = sum(row.total - row.done for row in rows)
    books = session.books
    books.move(Status.LEASED, Status.DONE, len(rows))
    books.completed_total += len(rows)
    books.backlog_iterations -= left
    books.iterations_done_total += left
    state_bytes = sum(len(state) for _, state in values if isinstance(state, bytes))
    known_results.remember(session, [row.seq for row in rows], state_bytes)
    if books.jobs[Status.ATTACHED]:
        _settle(session, rows, until_ms)


_STILL_TO_DO = """
    SELECT ifnull(sum(total - done), 0) FROM jobs WHERE leader IN carray(?)"""


def _settle(session: Session, rows: list[Held], until_ms: int) -> None:
    """Give the value to all that are attached."""
    seqs = integers(row.seq for row in rows)
    saved = session.connection.execute(_STILL_TO_DO, (seqs,)).get
    done = code_after(Status.ATTACHED, Verb.SETTLE)
    session.connection.execute(_SETTLE, (done, session.now_ms, until_ms, seqs))
    count = session.connection.changes()
    session.books.move(Status.ATTACHED, Status.DONE, count)
    session.books.completed_total += count
    session.books.iterations_saved_total += saved


def fail(session: Session, failures: Sequence[Failure]) -> list[Verdict]:
    """See `Store.fail`."""
    rows = leased_rows.read(session, [failure.id for failure in failures])
    verdicts, retried, buried = [], list[Held](), list[tuple[Held, str]]()
    for row, failure in zip(rows, failures, strict=True):
        verb = _verb_for(row, failure)
        verdict = leased_rows.judge(row, failure)
        verdicts.append(verdict)
        if row and verdict is Verdict.APPLIED:
            row.take(verb)
            if verb is Verb.RETRY:
                retried.append(row)
            else:
                buried.append((row, _why(row, failure)))
    _retry(session, retried)
    _bury(session, buried)
    return verdicts


def _verb_for(row: Held | None, failure: Failure) -> Verb:
    return after_lost_lease(row.attempts) if row and failure.retryable else Verb.BURY


def _why(row: Held, failure: Failure) -> str:
    return buried_reason(row.attempts, failure.reason) if failure.retryable else failure.reason


class _Lost(Row, array_like=True, gc=False):
    row: Held
    worker: str | None


_LOST = Reader(
    _Lost,
    """SELECT json_group_array(json_array(json_array(0, $columns), workers.name))
    FROM (SELECT * FROM jobs WHERE status > $attached AND status = $leased AND until_ms <= ?
        ORDER BY until_ms LIMIT ?) LEFT JOIN workers ON number = holder""",
    columns=leased_rows.COLUMNS,
)


def reclaim(session: Session) -> None:
    """Retry or bury every job whose lease has run out."""
    if not session.books.jobs[Status.LEASED]:
        return
    retried, buried = list[Held](), list[tuple[Held, str]]()
    for lost in _LOST(session.connection, session.served_ms, RECLAIM_JOBS):
        if after_lost_lease(lost.row.attempts) is Verb.RETRY:
            retried.append(lost.row)
        else:
            last = lost_lease(str(lost.worker))
            buried.append((lost.row, buried_reason(lost.row.attempts, last)))
    session.books.expired_leases_total += len(retried) + len(buried)
    _retry(session, retried)
    _bury(session, buried)


def _retry(session: Session, rows: list[Held]) -> None:
    if not rows:
        return
    session.connection.execute(
        "UPDATE jobs SET status = ?, holder = ? WHERE seq IN carray(?)",
        (code_after(Status.LEASED, Verb.RETRY), NOBODY, integers(row.seq for row in rows)),
    )
    session.books.move(Status.LEASED, Status.QUEUED, len(rows))


_BURY = Writer(
    2,
    """
    WITH given(status, nobody, now_ms, until_ms) AS (VALUES (?, ?, ?, ?)),
        lost(seq, reason) AS (VALUES $rows)
    UPDATE jobs SET status = given.status, holder = given.nobody, reason = lost.reason,
        ended_at_ms = given.now_ms, until_ms = given.until_ms
    FROM given, lost WHERE jobs.seq = lost.seq
    """,
)
_BURY_ATTACHED = """
    UPDATE jobs SET status = ?, ended_at_ms = ?, until_ms = ?, leader = NULL,
        reason = (SELECT l.reason FROM jobs l WHERE l.seq = jobs.leader)
    WHERE leader IN carray(?)"""


def _bury(session: Session, lost: list[tuple[Held, str]]) -> None:
    if not lost:
        return
    until_ms = session.in_seconds(session.bounds.result_retention_seconds)
    rows = [(row.seq, reason[:MAX_REASON_CHARACTERS]) for row, reason in lost]
    failed = code_after(Status.LEASED, Verb.BURY)
    _BURY(session.connection, rows, failed, NOBODY, session.now_ms, until_ms)
    seqs = integers(row.seq for row, _ in lost)
    failed = code_after(Status.ATTACHED, Verb.BURY)
    session.connection.execute(_BURY_ATTACHED, (failed, session.now_ms, until_ms, seqs))
    attached = session.connection.changes()
    books = session.books
    books.move(Status.LEASED, Status.FAILED, len(lost))
    books.move(Status.ATTACHED, Status.FAILED, attached)
    books.failed_total += len(lost) + attached
    books.backlog_iterations -= sum(row.total - row.done for row, _ in lost)
    work_lookup.remove(session, [row.entry for row, _ in lost])
