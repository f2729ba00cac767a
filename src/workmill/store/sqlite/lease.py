"""The verb `lease`: reclaim what has run out, then grant from the head of the queue."""

from __future__ import annotations

from collections.abc import Iterable
from heapq import merge
from itertools import islice
from operator import attrgetter

from workmill.domain.job import Lease, LeaseRequest
from workmill.domain.lifecycle import Status, Verb
from workmill.domain.retry import is_suspect
from workmill.store.sqlite import complete_fail
from workmill.store.sqlite.bulk_sql import Reader, Row, integers
from workmill.store.sqlite.schema import code_after
from workmill.store.sqlite.session import Session


class _Head(Row, array_like=True, gc=False):
    """A queued job near the head of its workload's queue."""

    rank: int
    seq: int
    id: str
    workload: int
    token: int
    total: int
    done: int
    state: str
    attempts: int


_HEADS = Reader(
    _Head,
    """SELECT json_group_array(json_array(
        rank, seq, hex(id), workload, token, total, done, hex(state), attempts))
    FROM (SELECT * FROM jobs WHERE status = $queued AND workload = ? ORDER BY rank, seq LIMIT ?)""",
)
_GRANT = """
    UPDATE jobs SET status = ?, token = token + 1, attempts = attempts + 1, until_ms = ?, holder = ?
    WHERE seq IN carray(?)"""


def lease(session: Session, request: LeaseRequest) -> list[Lease]:
    """See `Store.lease`."""
    complete_fail.reclaim(session)
    workloads = {session.names.find(name) for name in request.workloads} - {None}
    queues = [_HEADS(session.connection, number, request.max_jobs) for number in workloads]
    granted = _cut(merge(*queues, key=attrgetter("rank", "seq")), request)
    if not granted:
        return []
    session.connection.execute(
        _GRANT,
        (
            code_after(Status.QUEUED, Verb.LEASE),
            session.term(request.lease_seconds),
            session.names.worker(request.worker),
            integers(head.seq for head in granted),
        ),
    )
    books = session.books
    books.move(Status.QUEUED, Status.LEASED, len(granted))
    books.highest_token = max(books.highest_token, *(head.token + 1 for head in granted))
    return [_leased(session, head) for head in granted]


def _cut(heads: Iterable[_Head], request: LeaseRequest) -> list[_Head]:
    """As many as were asked for; a suspect goes alone."""
    granted: list[_Head] = []
    cost = 0
    for head in islice(heads, request.max_jobs):
        if len(granted) >= request.min_jobs and cost >= request.max_cost:
            break
        if is_suspect(head.attempts):
            return granted or [head]
        granted.append(head)
        cost += head.total - head.done
    return granted


def _leased(session: Session, head: _Head) -> Lease:
    return Lease(
        id=bytes.fromhex(head.id),
        token=head.token + 1,
        workload=session.names.name(head.workload),
        total=head.total,
        done=head.done,
        state=bytes.fromhex(head.state),
        attempts=head.attempts + 1,
    )
