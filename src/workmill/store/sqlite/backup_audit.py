"""Whether the jobs and the books of a backup can be of one store.

SQLite's own check finds torn pages and the seal finds flipped bits; neither finds numbers that make
no sense in a file that was sealed with them. A status that nobody knows, a `seq` that is used
already, a total below its `done` would fail every verb or worker that meets it, long after the
store that was replaced is gone. So every bound that the verbs keep is looked at here, and every
counter is compared with the rows that it counts. What states say is looked at in
`backup_work_audit`.
"""

from __future__ import annotations

from typing import Final

import apsw
import msgspec

from workmill.domain.ids import ID_BYTES
from workmill.domain.job import KEY_BYTES
from workmill.domain.lifecycle import Status
from workmill.domain.limits import (
    MAX_NAME_CHARACTERS,
    MAX_PRIORITY,
    MAX_REASON_CHARACTERS,
    MAX_STATE_BYTES,
    MIN_PRIORITY,
)
from workmill.domain.retry import MAX_ATTEMPTS
from workmill.store.retention import KNOWN_OVERHEAD_BYTES
from workmill.store.sqlite.bulk_sql import one
from workmill.store.sqlite.counters import EPOCH_BYTES, Books
from workmill.store.sqlite.schema import BY_CODE, CODES, NOBODY, UNPLACED, sql
from workmill.store.sqlite.session import Session

_LARGEST: Final = 2**62
_HALF_BITS: Final = 32
_MOST_NAMES: Final = 2**30
_LAST_MS: Final = 253_402_300_799_999
"""The end of the year 9999: no later time can be shown."""


def _checked(text: str) -> str:
    """A check with its bounds in it."""
    return sql(
        text,
        id_bytes=str(ID_BYTES),
        key_bytes=str(KEY_BYTES),
        state_bytes=str(MAX_STATE_BYTES),
        largest=str(_LARGEST),
        half_bits=str(_HALF_BITS),
        last_ms=str(_LAST_MS),
        most_attempts=str(MAX_ATTEMPTS),
        lowest_rank=str(-MAX_PRIORITY),
        highest_rank=str(-MIN_PRIORITY),
        reason_characters=str(MAX_REASON_CHARACTERS),
        name_characters=str(MAX_NAME_CHARACTERS),
        nobody=str(NOBODY),
        unplaced=str(UNPLACED),
        most_names=str(_MOST_NAMES),
    )


_HOLDERS: Final = {
    Status.QUEUED: "jobs_queue WHERE",
    Status.ATTACHED: "jobs_attached WHERE leader IS NOT NULL AND",
}
_COUNTED: Final = " UNION ALL ".join(
    sql(
        "SELECT count(*) FROM jobs INDEXED BY $holder status = $code",
        holder=_HOLDERS.get(status, f"jobs_due WHERE status > {CODES[Status.ATTACHED]} AND"),
        code=str(code),
    )
    for code, status in BY_CODE.items()
)
"""How many jobs of each status, from the index that holds them: one without an index is missed, and
then the sum is not that of all."""
_JUDGED: Final = _checked("""
    SELECT count(*),
        ifnull(sum(iif(status IN ($queued, $leased), total - done, 0) >> $half_bits), 0),
        ifnull(sum(iif(status IN ($queued, $leased), total - done, 0) & (1 << $half_bits) - 1), 0),
        count(*) FILTER (WHERE submitted_at_ms > ? OR ended_at_ms > ?),
        count(*) FILTER (WHERE seq < 1 OR seq >= ? OR token < 0 OR token > ?
        OR length(id) <> $id_bytes OR length(key) <> $key_bytes
        OR length(state) NOT BETWEEN 1 AND $state_bytes
        OR total NOT BETWEEN 1 AND $largest OR done NOT BETWEEN 1 AND total
        OR (status IN ($queued, $leased) AND done = total)
        OR attempts NOT BETWEEN 0 AND $most_attempts OR (status = $leased AND attempts = 0)
        OR rank NOT BETWEEN $lowest_rank AND $highest_rank
        OR holder < $nobody OR holder >= ?
        OR (status = $leased AND holder NOT IN (SELECT number FROM workers))
        OR (status NOT IN ($leased, $pulled) AND holder <> $nobody)
        OR until_ms NOT BETWEEN 0 AND $last_ms OR ended_at_ms NOT BETWEEN 0 AND $last_ms
        OR submitted_at_ms NOT BETWEEN 0 AND $last_ms
        OR (status = $attached) <> (leader IS NOT NULL)
        OR (status = $failed) <> (reason IS NOT NULL)
        OR ifnull(length(reason), 0) > $reason_characters
        OR workload NOT IN (SELECT number FROM names) OR tenant NOT IN (SELECT number FROM names))
    FROM jobs
""")
"""One pass over all jobs: how many, what is left, how many are later than the books, and how many
no store makes. What is left is added up in two halves: SQLite fails where a sum needs 64 bits."""
_LED_BY_NOBODY: Final = _checked("""
    SELECT count(*) FROM jobs a LEFT JOIN jobs l ON l.seq = a.leader
    WHERE a.status = $attached AND a.leader <> $unplaced AND (l.seq IS NULL
        OR l.status NOT IN ($queued, $leased) OR l.key <> a.key OR l.total <> a.total
        OR l.workload <> a.workload OR l.tenant <> a.tenant)
""")
_IMPOSSIBLE_KNOWN: Final = _checked("""
    SELECT count(*) FROM known k LEFT JOIN jobs j ON j.seq = k.seq
    WHERE k.seq < 1 OR k.seq >= ? OR length(k.key) <> $key_bytes
        OR k.total NOT BETWEEN 1 AND $largest
        OR length(k.state) NOT BETWEEN 1 AND $state_bytes
        OR k.known_at_ms NOT BETWEEN 0 AND $last_ms
        OR (j.seq IS NOT NULL AND (j.key <> k.key OR j.total <> k.total OR j.state <> k.state
            OR j.status NOT IN ($done, $pulled, $delivered)))
""")
_TEXTS: Final = _checked("""
    SELECT reason, $reason_characters FROM jobs WHERE status = $failed AND status > $attached
        AND reason IS NOT NULL
    UNION ALL SELECT name, $name_characters FROM names
    UNION ALL SELECT name, $name_characters FROM workers""")
_LATEST_KNOWN: Final = "SELECT ifnull(max(known_at_ms), 0) FROM known"
_KNOWN_BYTES: Final = "SELECT ifnull(sum(length(state) + ?), 0) FROM known"
_IMPOSSIBLE_NAMES: Final = _checked("""
    SELECT (SELECT count(*) FROM names WHERE number NOT BETWEEN 2 AND $most_names
            OR name = '')
        + (SELECT count(*) FROM workers WHERE number <= $nobody OR number >= ?
            OR length(name) > $name_characters)""")


def contradiction(session: Session) -> str | None:
    """What cannot be, in words; None when all is well."""
    connection, books = session.connection, session.books
    if not _books_are_possible(books):
        return "has books that no store keeps"
    if wrong := _wrong_jobs(connection, books):
        return wrong
    if lost := one(connection, _LED_BY_NOBODY):
        return f"holds {lost} jobs that wait for other work than theirs"
    if impossible := one(connection, _IMPOSSIBLE_KNOWN, books.next_seq):
        return f"holds {impossible} pieces of known work that no store makes"
    if one(connection, _IMPOSSIBLE_NAMES, books.next_holder):
        return "has names that no store gives"
    if not _known_is_counted(session, books):
        return "holds other known work than its books say"
    return None


def _wrong_jobs(connection: apsw.Connection, books: Books) -> str | None:
    given = (books.latest_ms,) * 2 + (books.next_seq, books.highest_token, books.next_holder)
    jobs, upper, lower, later, impossible = next(connection.execute(_JUDGED, given))
    counts = [int(count) for (count,) in connection.execute(_COUNTED)]
    if jobs != sum(counts) or dict(zip(BY_CODE.values(), counts, strict=True)) != books.jobs:
        return "holds other jobs than its books say"
    if (upper << _HALF_BITS) + lower != books.backlog_iterations:
        return "has more or less left to compute than its books say"
    if later or one(connection, _LATEST_KNOWN) > books.latest_ms:
        return "holds what is later than its books"
    if impossible:
        return f"holds {impossible} jobs that no store makes"
    return None


def texts_are_possible(connection: apsw.Connection) -> bool:
    """Text that is no UTF-8 would fail whoever reads it: to be asked before anything else is."""
    try:
        return all(len(text) <= most for text, most in connection.execute(_TEXTS))
    except UnicodeDecodeError:
        return False


def _books_are_possible(books: Books) -> bool:
    numbers = [value for value in msgspec.structs.astuple(books) if isinstance(value, int)]
    if set(books.jobs) != set(Status) or not all(0 <= n < _LARGEST for n in numbers):
        return False
    counts, ended = books.jobs, (books.completed_total, books.failed_total, books.cancelled_total)
    return (
        all(0 <= n < _LARGEST for n in counts.values())
        and len(books.epoch) == EPOCH_BYTES
        and len(books.lead_holder) <= MAX_NAME_CHARACTERS
        and books.next_seq >= 1
        and books.next_holder > NOBODY
        and books.first_token <= books.highest_token
        and max(books.latest_ms, books.lead_until_ms, books.leap_counts_at_ms) <= _LAST_MS
        and max(books.leap_ms, books.lag_ms) <= books.latest_ms
        and books.submitted_total >= sum(counts.values())
        and books.submitted_total >= sum(ended)
        and books.delivered_total >= counts[Status.DELIVERED]
        and books.completed_total
        >= counts[Status.DONE] + counts[Status.PULLED] + counts[Status.DELIVERED]
        and books.failed_total >= counts[Status.FAILED]
        and books.cancelled_total >= counts[Status.CANCELLED]
    )


def _known_is_counted(session: Session, books: Books) -> bool:
    count = one(session.connection, "SELECT count(*) FROM known")
    size = one(session.connection, _KNOWN_BYTES, KEY_BYTES + KNOWN_OVERHEAD_BYTES)
    return (count, size) == (books.known_jobs, books.known_bytes)
