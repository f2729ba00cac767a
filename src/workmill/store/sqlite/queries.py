"""The verbs that change nothing: `get`, `find` and `stats`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import msgspec

from workmill.domain.job import COUNTERS, Job, Page, Query, Stats
from workmill.domain.lifecycle import ENDED, FINISHED
from workmill.domain.queue_profile import QueuePlace
from workmill.store.sqlite.bulk_sql import Reader, Row, blobs
from workmill.store.sqlite.schema import BY_CODE, CODES, sql
from workmill.store.sqlite.session import Session

FIND_ROWS: Final = 20_000
"""How many rows one `find` looks at; a page may therefore be short and yet not the last."""


class _Shown(Row, array_like=True, gc=False):
    place: int
    id: str
    tenant: int
    workload: int
    key: str
    total: int
    done: int
    state: str
    rank: int
    code: int
    attempts: int
    token: int
    submitted_at_ms: int
    ended_at_ms: int
    worker: str | None
    reason: str | None
    waits_rank: int
    waits_seq: int | None
    """Where its work is queued, None when it is not."""

    def job(self, session: Session) -> Job:
        """The job that this row shows."""
        status = BY_CODE[self.code]
        return Job(
            id=bytes.fromhex(self.id),
            tenant=session.names.name(self.tenant),
            workload=session.names.name(self.workload),
            key=bytes.fromhex(self.key),
            total=self.total,
            done=self.total if status in FINISHED else self.done,
            state=bytes.fromhex(self.state),
            priority=-self.rank,
            status=status,
            attempts=self.attempts,
            token=self.token,
            submitted_at_ms=self.submitted_at_ms,
            ended_at_ms=self.ended_at_ms if status in ENDED else None,
            worker=self.worker,
            reason=self.reason,
            waits_at=QueuePlace(self.waits_rank, self.waits_seq) if self.waits_seq else None,
        )


_SHOWN = """
    json_group_array(json_array(place, hex(j.id), j.tenant, j.workload, hex(j.key), j.total,
        ifnull(l.done, j.done), hex(ifnull(l.state, j.state)), j.rank, j.status, j.attempts,
        j.token, j.submitted_at_ms, j.ended_at_ms, w.name, j.reason, ifnull(l.rank, j.rank),
        CASE ifnull(l.status, j.status) WHEN $queued THEN ifnull(l.seq, j.seq) END))"""
_BESIDE = """
    LEFT JOIN jobs l ON l.seq = j.leader
    LEFT JOIN workers w ON w.number = j.holder AND j.status = $leased"""

_GET = Reader(
    _Shown,
    """SELECT $shown FROM (SELECT rowid - 1 AS place, value FROM carray(?)) c
    CROSS JOIN jobs j ON j.id = c.value $beside""",
    shown=sql(_SHOWN),
    beside=sql(_BESIDE),
)


def get(session: Session, ids: Sequence[bytes]) -> list[Job | None]:
    """See `Store.get`."""
    jobs: list[Job | None] = [None] * len(ids)
    for row in _GET(session.connection, blobs(ids)) if ids else ():
        jobs[row.place] = row.job(session)
    return jobs


class _Scan(Row, array_like=True, gc=False):
    """How far a listing has looked, and what it found."""

    looked_at: int
    lowest_seq: int | None
    rows: list[_Shown]


_FIND = sql(
    """
    WITH looked AS MATERIALIZED (
        SELECT * FROM jobs WHERE seq < ? ORDER BY seq DESC LIMIT ?),
    j AS MATERIALIZED (
        SELECT seq AS place, * FROM looked WHERE tenant = ? AND status = ifnull(?, status) LIMIT ?)
    SELECT json_array((SELECT count(*) FROM looked), (SELECT min(seq) FROM looked),
        json((SELECT $shown FROM j $beside)))
    """,
    shown=sql(_SHOWN),
    beside=sql(_BESIDE),
)


def find(session: Session, query: Query) -> Page:
    """See `Store.find`. The cursor is a `seq`."""
    below = query.after if query.after is not None else session.books.next_seq
    tenant = session.names.find(query.tenant)
    code = CODES[query.status] if query.status else None
    text = session.connection.execute(_FIND, (below, FIND_ROWS, tenant, code, query.limit + 1)).get
    scan = msgspec.json.decode(text, type=_Scan)
    shown = sorted(scan.rows, key=lambda row: -row.place)[: query.limit]
    following = scan.lowest_seq if scan.looked_at == FIND_ROWS else None
    if len(scan.rows) > query.limit:
        following = shown[-1].place
    return Page(jobs=[row.job(session) for row in shown], next_after=following)


_OLDEST_QUEUED = sql("""
    WITH RECURSIVE lane(workload) AS (
        SELECT min(workload) FROM jobs WHERE status = $queued
        UNION ALL
        SELECT (SELECT min(workload) FROM jobs WHERE status = $queued AND workload > lane.workload)
        FROM lane WHERE lane.workload IS NOT NULL),
    level(workload, rank) AS (
        SELECT workload, (SELECT min(rank) FROM jobs j
            WHERE status = $queued AND j.workload = lane.workload) FROM lane
        UNION ALL
        SELECT workload, (SELECT min(rank) FROM jobs j
            WHERE status = $queued AND j.workload = level.workload AND rank > level.rank)
        FROM level WHERE level.rank IS NOT NULL)
    SELECT min((SELECT submitted_at_ms FROM jobs j
        WHERE status = $queued AND j.workload = level.workload AND j.rank = level.rank
        ORDER BY seq LIMIT 1)) FROM level
""")
"""One look at the head of each (workload, priority): they are few, however many jobs there are."""


def stats(session: Session) -> Stats:
    """See `Store.stats`."""
    counters = {name: getattr(session.books, name) for name in COUNTERS}
    counters["jobs"] = dict(session.books.jobs)
    oldest = session.connection.execute(_OLDEST_QUEUED).get
    return Stats(oldest_queued_at_ms=oldest, **counters)
