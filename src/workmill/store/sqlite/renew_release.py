"""The verbs of a lease that goes on or is handed back: `renew` and `release`."""

from __future__ import annotations

from collections.abc import Sequence

from workmill.domain.job import Release, Renewal, Verdict
from workmill.domain.lifecycle import Status, Verb
from workmill.store.sqlite import leased_rows
from workmill.store.sqlite.bulk_sql import Cell, Writer
from workmill.store.sqlite.leased_rows import Held
from workmill.store.sqlite.schema import NOBODY, code_after
from workmill.store.sqlite.session import Session

_MOVE_ON = Writer(
    5,
    """
    WITH step(seq, done, state, attempts, until_ms) AS (VALUES $rows)
    UPDATE jobs SET done = step.done, state = ifnull(step.state, jobs.state),
        attempts = step.attempts, until_ms = step.until_ms
    FROM step WHERE jobs.seq = step.seq
    """,
)
_HAND_BACK = Writer(
    4,
    """
    WITH given(status, nobody) AS (VALUES (?, ?)),
        step(seq, done, state, attempts) AS (VALUES $rows)
    UPDATE jobs SET status = given.status, holder = given.nobody, done = step.done,
        state = ifnull(step.state, jobs.state), attempts = step.attempts
    FROM given, step WHERE jobs.seq = step.seq
    """,
)


def renew(session: Session, renewals: Sequence[Renewal]) -> list[Verdict]:
    """See `Store.renew`."""
    rows = leased_rows.read(session, [renewal.id for renewal in renewals])
    verdicts, steps = [], dict[int, tuple[Cell, ...]]()
    for row, renewal in zip(rows, renewals, strict=True):
        verdict = leased_rows.judge(row, renewal, renewal.state, renewal.done)
        verdicts.append(verdict)
        if row and verdict is Verdict.APPLIED:
            earlier = steps.get(row.seq)
            state = _progress(session, row, renewal) or (earlier[2] if earlier else None)
            until_ms = session.term(renewal.lease_seconds)
            steps[row.seq] = (row.seq, row.done, state, row.attempts, until_ms)
    _MOVE_ON(session.connection, list(steps.values()))
    return verdicts


def release(session: Session, releases: Sequence[Release]) -> list[Verdict]:
    """See `Store.release`."""
    rows = leased_rows.read(session, [release.id for release in releases])
    verdicts, steps = [], list[tuple[Cell, ...]]()
    for row, handed in zip(rows, releases, strict=True):
        verdict = leased_rows.judge(row, handed, handed.state, handed.done)
        verdicts.append(verdict)
        if row and verdict is Verdict.APPLIED:
            state = _progress(session, row, handed)
            steps.append((row.seq, row.done, state, row.attempts - 1))
            row.take(Verb.RELEASE)
    _HAND_BACK(session.connection, steps, code_after(Status.LEASED, Verb.RELEASE), NOBODY)
    session.books.move(Status.LEASED, Status.QUEUED, len(steps))
    return verdicts


def _progress(session: Session, row: Held, step: Renewal | Release) -> bytes | None:
    """Move the row to a checkpoint further on; None, and nothing moved, for any other."""
    if step.done <= row.done:
        return None
    session.books.backlog_iterations -= step.done - row.done
    session.books.iterations_done_total += step.done - row.done
    row.done, row.attempts = step.done, 1
    return step.state
