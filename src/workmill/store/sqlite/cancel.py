"""The verb `cancel`. Rare, so it walks its batch job by job: a cancel may promote the very job
that the next item of the batch names."""

from __future__ import annotations

from collections.abc import Sequence

from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status, Verb, allowed
from workmill.store.sqlite import leased_rows, work_lookup
from workmill.store.sqlite.leased_rows import Held
from workmill.store.sqlite.schema import NOBODY, code_after
from workmill.store.sqlite.session import Session


def cancel(session: Session, ids: Sequence[bytes]) -> list[Verdict]:
    """See `Store.cancel`."""
    return [_cancel_one(session, job_id) for job_id in ids]


def _cancel_one(session: Session, job_id: bytes) -> Verdict:
    (row,) = leased_rows.read(session, [job_id])
    if row is None:
        return Verdict.UNKNOWN
    if not allowed(row.status, Verb.CANCEL):
        return Verdict.REFUSED
    if row.status is not Status.ATTACHED:
        session.books.backlog_iterations -= row.total - row.done
        work_lookup.remove(session, [row.entry])
        _promote_eldest(session, row)
    session.books.move(row.status, Status.CANCELLED)
    session.books.cancelled_total += 1
    until_ms = session.in_seconds(session.bounds.result_retention_seconds)
    session.connection.execute(
        """UPDATE jobs SET status = ?, holder = ?, leader = NULL, ended_at_ms = ?, until_ms = ?
        WHERE seq = ?""",
        (code_after(row.status, Verb.CANCEL), NOBODY, session.now_ms, until_ms, row.seq),
    )
    return Verdict.APPLIED


def _promote_eldest(session: Session, row: Held) -> None:
    """Put the eldest attached job in the place of the one that goes, at its checkpoint and no
    less urgent."""
    heir = session.connection.execute("SELECT min(seq) FROM jobs WHERE leader = ?", (row.seq,)).get
    if heir is None:
        return
    session.connection.execute(
        """UPDATE jobs SET status = ?, leader = NULL, (rank, done, state) =
            (SELECT min(jobs.rank, l.rank), l.done, l.state FROM jobs l WHERE l.seq = ?)
        WHERE seq = ?""",
        (code_after(Status.ATTACHED, Verb.PROMOTE), row.seq, heir),
    )
    session.connection.execute("UPDATE jobs SET leader = ? WHERE leader = ?", (heir, row.seq))
    session.books.move(Status.ATTACHED, Status.QUEUED)
    session.books.backlog_iterations += row.total - row.done
    work_lookup.add(session, [work_lookup.entry(bytes.fromhex(row.prefix), row.total, heir)])
