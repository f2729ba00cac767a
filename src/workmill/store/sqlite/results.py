"""The verbs of delivery: `pull` and `acknowledge`.

A receipt is the store's epoch (8 random bytes, new after a restore) and a number that no other
receipt has: there is no list of receipts to keep. A late acknowledgement is honoured until
somebody's `pull` has brought the results back; after that they are delivered again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from workmill.domain.job import Acknowledgement, Pulled, PullRequest, Result
from workmill.domain.lifecycle import Status, Verb
from workmill.store.sqlite.bulk_sql import Bound, Reader, Row, blobs, integers
from workmill.store.sqlite.counters import EPOCH_BYTES
from workmill.store.sqlite.schema import NOBODY, code_after, sql
from workmill.store.sqlite.session import Session

LAPSE_JOBS: Final = 10_000
"""How many results one `pull` brings back from lapsed receipts; the next one goes on."""


class _Waiting(Row, array_like=True, gc=False):
    seq: int
    id: str
    state: str


_LATEST = Reader(
    _Waiting,
    """SELECT json_group_array(json_array(seq, hex(id), hex(state)))
    FROM (SELECT * FROM jobs WHERE status = $done AND tenant = ?
        ORDER BY ended_at_ms DESC, seq DESC LIMIT ?)""",
)
_HAND_OUT = "UPDATE jobs SET status = ?, holder = ?, until_ms = ? WHERE seq IN carray(?)"


def pull(session: Session, request: PullRequest) -> Pulled:
    """See `Store.pull`."""
    lapse(session)
    tenant = session.names.find(request.tenant)
    rows = _LATEST(session.connection, tenant, request.top)
    if not rows:
        return Pulled(results=[])
    seqs = integers(row.seq for row in rows)
    receipt = None
    if request.receipt_seconds is None:
        verb, holder = Verb.DELIVER, NOBODY
        until_ms = session.in_seconds(session.bounds.delivered_retention_seconds)
        session.books.delivered_total += len(rows)
    else:
        verb, holder = Verb.PULL, session.books.take_holder()
        until_ms = session.term(request.receipt_seconds)
        receipt = session.books.epoch + holder.to_bytes(8, "big")
    session.books.move(Status.DONE, Status.PULLED if receipt else Status.DELIVERED, len(rows))
    code = code_after(Status.DONE, verb)
    session.connection.execute(_HAND_OUT, (code, holder, until_ms, seqs))
    results = [Result(id=bytes.fromhex(r.id), state=bytes.fromhex(r.state)) for r in rows]
    return Pulled(results=results, receipt=receipt)


_LAPSE = sql("""
    UPDATE jobs SET status = ?, holder = ?, until_ms = ended_at_ms + ? WHERE seq IN
    (SELECT seq FROM jobs WHERE status > $attached AND status = $pulled AND until_ms <= ? LIMIT ?)
""")


def lapse(session: Session) -> None:
    """Bring back the results of receipts that have run out."""
    if not session.books.jobs[Status.PULLED]:
        return
    kept_ms = round(session.bounds.result_retention_seconds * 1000)
    code = code_after(Status.PULLED, Verb.LAPSE)
    session.connection.execute(_LAPSE, (code, NOBODY, kept_ms, session.served_ms, LAPSE_JOBS))
    session.books.move(Status.PULLED, Status.DONE, session.connection.changes())


_DELIVER = sql("""
    UPDATE jobs SET status = ?, holder = ?, until_ms = ?
    WHERE status = $pulled AND holder = ? AND tenant = ?""")
_RETURN = sql("""
    UPDATE jobs SET status = ?, holder = ?, until_ms = ended_at_ms + ?
    WHERE status = $pulled AND holder = ? AND tenant = ?""")
_AND_ID: Final = " AND id IN carray(?)"


def acknowledge(session: Session, acknowledgements: Sequence[Acknowledgement]) -> list[int]:
    """See `Store.acknowledge`."""
    return [_acknowledge_one(session, one) for one in acknowledgements]


def _acknowledge_one(session: Session, one: Acknowledgement) -> int:
    epoch, number = one.receipt[:EPOCH_BYTES], one.receipt[EPOCH_BYTES:]
    tenant = session.names.find(one.tenant)
    if epoch != session.books.epoch or len(number) != 8 or tenant is None or one.ids == ():
        return 0
    holder = int.from_bytes(number, "big", signed=True)
    if one.returned:
        kept_ms = round(session.bounds.result_retention_seconds * 1000)
        code = code_after(Status.PULLED, Verb.LAPSE)
        return _move_held(session, _RETURN, [code, NOBODY, kept_ms, holder, tenant], one)
    until_ms = session.in_seconds(session.bounds.delivered_retention_seconds)
    code = code_after(Status.PULLED, Verb.ACKNOWLEDGE)
    return _move_held(session, _DELIVER, [code, NOBODY, until_ms, holder, tenant], one)


def _move_held(session: Session, statement: str, given: list[Bound], one: Acknowledgement) -> int:
    """What is under a receipt ends, or comes back."""
    if one.ids is None:
        session.connection.execute(statement, given)
    else:
        session.connection.execute(statement + _AND_ID, [*given, blobs(one.ids)])
    count = session.connection.changes()
    session.books.move(Status.PULLED, Status.DONE if one.returned else Status.DELIVERED, count)
    if not one.returned:
        session.books.delivered_total += count
    return count
