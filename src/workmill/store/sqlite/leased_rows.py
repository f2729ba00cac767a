"""Rows as the fenced verbs need them: a job, its token, and what stands in it.

A batch names jobs by id. They are read in one step, judged one after the other in Python
against the lifecycle table, and written in one step for each thing that can happen to them.
Items that name one job twice share its row, so the second meets what the first has left.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status, Verb
from workmill.store.sqlite import work_lookup
from workmill.store.sqlite.bulk_sql import Reader, Row, blobs
from workmill.store.sqlite.schema import BY_CODE, CODES, code_after
from workmill.store.sqlite.session import Session

_LEASED: Final = CODES[Status.LEASED]


class Held(Row, array_like=True, gc=False):
    """One job, as far as progress and its end are concerned."""

    place: int
    seq: int
    code: int
    token: int
    total: int
    done: int
    attempts: int
    prefix: str
    """The first bytes of the key, in hex: what the index of running work needs."""
    state_bytes: int

    @property
    def status(self) -> Status:
        return BY_CODE[self.code]

    @property
    def entry(self) -> bytes:
        """Its entry in the index of running work."""
        return work_lookup.entry(bytes.fromhex(self.prefix), self.total, self.seq)

    def take(self, verb: Verb) -> None:
        """Move on as the lifecycle table says. Raises KeyError when it refuses."""
        self.code = code_after(self.status, verb)


class Fenced(Protocol):
    """A worker's word on one of its jobs."""

    @property
    def id(self) -> bytes: ...
    @property
    def token(self) -> int: ...


COLUMNS: Final = "seq, status, token, total, done, attempts, hex(substr(key, 1, 8)), length(state)"
"""What a `Held` is read from, behind its place."""

_HELD = Reader(
    Held,
    """SELECT json_group_array(json_array(c.rowid - 1, $columns))
    FROM carray(?) c CROSS JOIN jobs ON id = c.value""",
    columns=COLUMNS,
)


def read(session: Session, ids: Sequence[bytes]) -> list[Held | None]:
    """The row of each id, None for one that is not there; one job has one row."""
    rows: list[Held | None] = [None] * len(ids)
    shared: dict[int, Held] = {}
    for row in _HELD(session.connection, blobs(ids)) if ids else ():
        rows[row.place] = shared.setdefault(row.seq, row)
    return rows


def judge(row: Held | None, word: Fenced, state: bytes | None = None, done: int = 0) -> Verdict:
    """Whether this word comes from the one that holds the job now, and can be true.

    A state of the wrong size would be handed on to the next worker, or out as a result.
    """
    if row is None:
        return Verdict.UNKNOWN
    if row.code != _LEASED or row.token != word.token:
        return Verdict.STALE
    if state is not None and (len(state) != row.state_bytes or done > row.total):
        return Verdict.REFUSED
    return Verdict.APPLIED
