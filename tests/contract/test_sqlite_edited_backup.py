"""Backups of the embedded store in which one thing was edited, and all that goes with it, so that
nothing but the rule about that thing is broken."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import apsw
import pytest
from tests.contract.conftest import open_sqlite
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand
from tests.contract.test_backup import edit

from workmill.domain.errors import InvalidInput
from workmill.store.sqlite import backup
from workmill.store.sqlite.schema import NOBODY, sql


class Served(NamedTuple):
    """A store that is served, and the backup of one with jobs of every status."""

    stand: Stand
    backup: Path


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """Both are as they were after each refusal, so one will do for all."""
    folder = tmp_path_factory.mktemp("edited")
    source = Stand(open_sqlite, folder / "source")
    _fill(source)
    source.store.backup(folder / "copy")
    source.store.close()
    stand = Stand(open_sqlite, folder / "store")
    stand.submit(new_job())
    yield Served(stand, folder / "copy")
    stand.store.close()


def _fill(stand: Stand) -> None:
    stand.submit(known := new_job("known"))
    stand.finish(known, state_of("known", 100))
    stand.submit(*(new_job(total=1) for _ in range(3)))
    stand.pull(2, receipt_seconds=60)
    stand.acknowledge(stand.pull(1, receipt_seconds=60))
    stand.submit(new_job("bad"))
    stand.fail(stand.lease_one(), "it broke", retryable=False)
    stand.submit(gone := new_job("gone"))
    stand.cancel(gone)
    stand.submit(new_job("running"), new_job("running"))
    stand.lease_one()
    stand.submit(*(new_job() for _ in range(3)))
    assert all(stand.stats().jobs.values()), "there is a job of every status"


def _of(status: str, change: str) -> str:
    """SQL that edits all jobs of a status."""
    return sql("UPDATE jobs SET $change WHERE status = ", change=change) + sql(f"${status}")


def _books(name: str, value: str) -> str:
    """SQL that edits one field of the books; `old` in it is what stood there."""
    page = "CAST(page AS TEXT)"
    told = value.replace("old", f"json_extract({page}, '$.{name}')")
    return f"UPDATE books SET page = CAST(json_set({page}, '$.{name}', {told}) AS BLOB)"  # noqa: S608


QUEUED, PULLED = sql("WHERE status = $queued"), sql("WHERE status = $pulled")
APART = f"UPDATE jobs SET seq = 50 WHERE seq = 1; {_books('next_seq', '100')}; "  # noqa: S608
"""The job that made the known work is another one's neighbour: its own, and the work, are judged by
themselves."""
LATE = 253_402_300_800_000
"""Milliseconds: the first of the year 10000."""
LONG = "printf('%.*c', 1000, 'x')"
EDITS = {
    "a key of another length": _of("failed", "key = x'00'"),
    "an id of another length": _of("failed", "id = x'00'"),
    "a total beyond all": _of("failed", "total = (1 << 62) + 1"),
    "more done than there is": _of("failed", "done = total + 1"),
    "nothing done": _of("failed", "done = 0"),
    "nothing left to do": _of("queued", "done = total")
    + "; "
    + _books("backlog_iterations", "old - 3 * 99"),
    "leased at no attempt": _of("leased", "attempts = 0"),
    "too many attempts": _of("failed", "attempts = 1000"),
    "fewer attempts than none": _of("failed", "attempts = -1"),
    "too low a priority": _of("queued", "rank = 1 << 20"),
    "too high a priority": _of("queued", "rank = -(1 << 20)"),
    "a receipt below all": _of("pulled", f"holder = {NOBODY - 1}"),
    "a receipt that was not given": _of("pulled", "holder = 1 << 30"),
    "a worker without a name": _of("leased", f"holder = (SELECT holder FROM jobs {PULLED})"),  # noqa: S608
    "a worker of a queued job": _of("queued", "holder = (SELECT max(number) FROM workers)"),
    "a lease until before all time": _of("leased", "until_ms = -1"),
    "a lease until after all time": _of("leased", f"until_ms = {LATE}"),
    "ended before all time": _of("done", "ended_at_ms = -1"),
    "submitted before all time": _of("done", "submitted_at_ms = -1"),
    "a leader of a queued job": _of("queued", "leader = 1"),
    "a failure without a reason": _of("failed", "reason = NULL"),
    "a reason of a queued job": _of("queued", "reason = 'why'"),
    "a long reason": _of("failed", f"reason = {LONG}"),
    "a token below none": _of("failed", "token = -1"),
    "a token beyond all": _of("failed", "token = 1 << 50"),
    "a place before the first": _of("cancelled", "seq = 0"),
    "a place beyond the last": _of("cancelled", "seq = 1 << 40"),
    "a workload without a name": _of("cancelled", "workload = 900"),
    "a tenant without a name": _of("cancelled", "tenant = 900"),
    "a leader that has ended": _of("attached", "leader = 1"),
    "a leader that is not there": _of("attached", "leader = 500"),
    "a leader of another total": _of("attached", "total = 99"),
    "a leader of other work": _of("attached", f"leader = (SELECT min(seq) FROM jobs {QUEUED})"),  # noqa: S608
    "known work before the first": "UPDATE known SET seq = 0",
    "known work beyond the last": "UPDATE known SET seq = seq + (1 << 40)",
    "known work of a key of another length": APART + "UPDATE known SET key = x'00'",  # noqa: S608
    "known work of no total by itself": APART + "UPDATE known SET total = 0",  # noqa: S608
    "known work of no value": APART  # noqa: S608
    + _books("known_bytes", "old - 64")
    + "; UPDATE known SET state = x''",
    "known work of no total": "UPDATE known SET total = 0",
    "known work at no time": "UPDATE known SET known_at_ms = -1",
    "known work of another key": "UPDATE known SET key = zeroblob(32)",
    "known work of another total": "UPDATE known SET total = total + 1",
    "known work of another value": "UPDATE known SET state = zeroblob(64)",
    "known work of a job that runs": "UPDATE known SET (seq, key, total, state) = "  # noqa: S608
    f"(SELECT seq, key, total, state FROM jobs {QUEUED} LIMIT 1)",
    "a reason that is no text": _of("failed", "reason = CAST(x'ff' AS TEXT)"),
    "a worker that is no text": "UPDATE workers SET name = CAST(x'ff' AS TEXT)",
    "a name at no number": "INSERT INTO names VALUES (1, 'x')",
    "a name that is empty": "INSERT INTO names VALUES (900, '')",
    "a long name": f"INSERT INTO names VALUES (900, {LONG})",  # noqa: S608
    "a worker below all": f"INSERT INTO workers VALUES ({NOBODY}, 'w')",  # noqa: S608
    "a worker that was not given": "INSERT INTO workers VALUES (1 << 30, 'w')",
    "a worker's long name": f"UPDATE workers SET name = {LONG}",  # noqa: S608
    "known work that is not counted": _books("known_jobs", "old + 1"),
    "known bytes that are not counted": _books("known_bytes", "old + 1"),
    "a job that is not counted": _books("jobs.queued", "old + 1"),
    "a status that nobody knows": _books("jobs.lost", "0"),
    "a counter below none": _books("attached_total", "-1"),
    "a counter beyond all": _books("attached_total", "1 << 62"),
    "an epoch of another length": _books("epoch", "'AAAA'"),
    "a leader's long name": _books("lead_holder", LONG),
    "no place to come": _books("next_seq", "0"),
    "no holder to come": _books("next_holder", str(NOBODY)),
    "tokens that begin above the last": _books("first_token", "(1 << 60)"),
    "a term without an end": _books("lead_until_ms", str(LATE)),
    "a leap that counts after all time": _books("leap_counts_at_ms", str(LATE)),
    "a leap longer than all time": _books("leap_ms", "1 << 60"),
    "fewer submitted than there are": _books("submitted_total", "3"),
    "fewer completed than there are": _books("completed_total", "1"),
    "fewer failed than there are": _books("failed_total", "0"),
    "fewer cancelled than there are": _books("cancelled_total", "0"),
    "fewer delivered than there are": _books("delivered_total", "0"),
    "more ended than were submitted": _books("cancelled_total", "1000"),
    "a leased state": _of("leased", "state = zeroblob(64)"),
    "a pulled state": _of("pulled", "state = zeroblob(64)"),
    "a delivered state": _of("delivered", "state = zeroblob(64)"),
    "a shorter state": _of("failed", "state = zeroblob(63)"),
}


def test_what_was_sealed_again_and_not_edited_is_taken(served: Served, tmp_path: Path) -> None:
    """The edits are refused for what they are."""
    shutil.copy(served.backup, tmp_path / "copy")
    edit(tmp_path / "copy", "SELECT 1")
    other = Stand(open_sqlite, tmp_path / "other")
    other.store.restore(tmp_path / "copy")
    other.store.close()


@pytest.mark.parametrize("name", EDITS)
def test_one_edit_is_enough_to_refuse_all(served: Served, tmp_path: Path, name: str) -> None:
    """Nothing is changed by it."""
    shutil.copy(served.backup, copy := tmp_path / "copy")
    edit(copy, EDITS[name])
    before = served.stand.stats()
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        served.stand.store.restore(copy)
    assert served.stand.stats() == before


def test_a_refusal_with_a_statement_under_way_leaves_the_store_as_it_is(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The error holds on to the statement, and SQLite to the backup for as long as that is open."""

    def fails_half_way(connection: apsw.Connection) -> bool:
        jobs = connection.execute("SELECT id FROM backup.jobs")
        raise TypeError(f"no text beside {next(jobs)}")

    before = served.stand.stats()
    with monkeypatch.context() as other:
        other.setattr(backup, "texts_are_possible", fails_half_way)
        with pytest.raises(InvalidInput, match="no text"):
            served.stand.store.restore(served.backup)
    assert served.stand.stats() == before
