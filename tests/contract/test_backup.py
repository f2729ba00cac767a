"""The verbs `backup` and `restore`, with the workers of the replaced store still about."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import apsw
import pytest
from tests.contract.conftest import open_sqlite
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import OpenStore, Stand

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status
from workmill.store.sqlite import backup_checksum, schema


def test_a_rehearsal(stand: Stand, open_store: OpenStore, tmp_path: Path) -> None:
    """A backup taken under way, restored into an empty store, goes on where it was."""
    queued, leased, done, attached = new_job(), new_job(priority=1), new_job("a"), new_job("q")
    stand.submit(done)
    stand.finish(done, state_of("a", 100))
    stand.submit(queued, leased, twin := new_job("q", priority=-1), attached)
    lease = stand.lease_one()
    stand.renew(lease, 30, state_of("l", 30))
    stand.store.backup(tmp_path / "copy")
    before = stand.stats()

    other = Stand(open_store, tmp_path / "other")
    other.store.restore(tmp_path / "copy")
    after = other.stats()
    assert after.jobs == {**before.jobs, Status.QUEUED: 3, Status.LEASED: 0}
    assert after.backlog_iterations == before.backlog_iterations
    assert [one.id for one in other.lease()] == [leased.id, queued.id, twin.id]
    assert other.submit(new_job("a"))[0].status is Status.DONE
    assert other.submit(new_job("q"))[0].status is Status.ATTACHED
    assert {result.id for result in other.pull().results} >= {done.id}
    other.reopen()
    assert other.status(attached) is Status.ATTACHED
    other.store.close()


def test_a_restore_replaces_everything(stand: Stand, tmp_path: Path) -> None:
    """Jobs, known work and running work of the replaced store are gone."""
    stand.submit(kept := new_job("a"))
    stand.store.backup(tmp_path / "copy")
    stand.finish(kept, state_of("a", 100))
    stand.submit(gone := new_job("b"))
    stand.store.restore(tmp_path / "copy")
    with stand.store.group():
        assert stand.store.get([gone.id]) == [None]
    assert stand.status(kept) is Status.QUEUED
    assert stand.submit(new_job("b"), new_job("a"))[0].status is Status.QUEUED
    assert stand.stats().known_jobs == 0


def test_workers_of_the_replaced_store_are_stale(stand: Stand, tmp_path: Path) -> None:
    """No token that either store has issued is ever issued again."""
    stand.submit(job := new_job("a"))
    old = stand.lease_one()
    stand.store.backup(tmp_path / "copy")
    later = []
    for _ in range(3):
        stand.clock.advance(20)
        later += stand.lease(1)
    stand.store.restore(tmp_path / "copy")
    assert stand.status(job) is Status.QUEUED
    new = stand.lease_one()
    assert new.token > max(lease.token for lease in [old, *later])
    assert [stand.complete(lease, b"x" * 64) for lease in later] == [Verdict.STALE] * 3
    assert new.attempts == 1


def test_jobs_that_only_the_replaced_store_knew_come_back_fenced(
    stand: Stand, tmp_path: Path
) -> None:
    """A client that repeats its submit gets a job that the old lease does not fit."""
    stand.store.backup(tmp_path / "copy")
    stand.submit(job := new_job("a"))
    old = stand.lease_one()
    stand.store.restore(tmp_path / "copy")
    stand.submit(job)
    assert stand.lease_one().token > old.token


def test_receipts_of_the_replaced_store_deliver_nothing(stand: Stand, tmp_path: Path) -> None:
    """An old receipt cannot acknowledge what a new one holds."""
    stand.submit(*(new_job(total=1) for _ in range(3)))
    stand.store.backup(tmp_path / "copy")
    old = stand.pull(2, receipt_seconds=60)
    stand.store.restore(tmp_path / "copy")
    assert len(stand.pull(receipt_seconds=60).results) == 3
    assert stand.acknowledge(old) == 0


def test_a_store_that_burnt_down_is_fenced_off(
    stand: Stand, open_store: OpenStore, tmp_path: Path
) -> None:
    """Restored on a new machine, that cannot know what the old one did since the backup."""
    stand.submit(new_job("a"), new_job(total=1))
    stand.store.backup(tmp_path / "copy")
    for _ in range(3):
        old_lease = stand.lease(1, lease_seconds=1)[0]
        stand.clock.advance(2)
    old_receipt = stand.pull(receipt_seconds=60)
    other = Stand(open_store, tmp_path / "other")
    other.store.restore(tmp_path / "copy")
    new_lease, new_receipt = other.lease_one(), other.pull(receipt_seconds=60)
    assert new_lease.token > old_lease.token
    assert other.complete(old_lease, b"x" * 64) is Verdict.STALE
    assert other.acknowledge(old_receipt) == 0
    assert other.acknowledge(new_receipt) == 1
    other.store.close()


@pytest.mark.parametrize("damage", ["missing", "empty", "text", "torn", "foreign"])
def test_what_is_no_backup_is_refused(stand: Stand, tmp_path: Path, damage: str) -> None:
    """It says so, and nothing is changed."""
    stand.submit(*(new_job() for _ in range(50)))
    stand.store.backup(copy := tmp_path / "copy")
    whole = copy.read_bytes()
    if damage == "missing":
        copy.unlink()
    else:
        copy.write_bytes(
            {
                "empty": b"",
                "text": b"not a database" * 1000,
                "torn": whole[: len(whole) // 2],
                "foreign": whole[:68] + b"\0\0\0\0" + whole[72:],
            }[damage]
        )
    before = stand.stats()
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(copy)
    assert stand.stats() == before


def _books(name: str, value: int | str) -> str:
    """SQL that edits one field of the books."""
    shown = f"'{value}'" if isinstance(value, str) else value
    edited = f"json_set(CAST(page AS TEXT), '$.{name}', {shown})"
    return f"UPDATE books SET page = CAST({edited} AS BLOB)"  # noqa: S608


CONTRADICTIONS = {
    "table": "DROP TABLE workers",
    "view": "DROP TABLE workers; CREATE VIEW workers AS SELECT 1 AS number, 'w' AS name",
    "trigger": "CREATE TRIGGER t AFTER DELETE ON jobs BEGIN DELETE FROM known; END",
    "column": "ALTER TABLE names ADD COLUMN more TEXT",
    "no books": "DELETE FROM books",
    "books": "UPDATE books SET page = x'00'",
    "counts": "DELETE FROM jobs WHERE seq = 1",
    "status": "UPDATE jobs SET status = 99 WHERE seq = 1",
    "id": "UPDATE jobs SET id = x'00' WHERE seq = 1",
    "seq": "UPDATE jobs SET seq = 1000000 WHERE seq = 1",
    "token": "UPDATE jobs SET token = 1000000 WHERE seq = 1",
    "known": "DELETE FROM known",
    "done": "UPDATE jobs SET done = 2 WHERE seq = 2",
    "done beyond": "UPDATE jobs SET done = total + 1 WHERE seq = 2",
    "nothing done": "UPDATE jobs SET done = 0 WHERE seq = 2",
    "total": "UPDATE jobs SET total = 1000 WHERE seq = 2",
    "largest total": "UPDATE jobs SET total = 0x7fffffffffffffff WHERE seq = 2",
    "largest totals": "UPDATE jobs SET total = 1 << 62 WHERE seq > 1",
    "least done": "UPDATE jobs SET done = -1 << 63 WHERE seq = 2",
    "total and key": "UPDATE jobs SET total = -1 WHERE seq = 1",
    "state": "UPDATE jobs SET state = x'00' WHERE seq = 2",
    "value": "UPDATE jobs SET state = zeroblob(64) WHERE seq = 1",
    "known value": "UPDATE known SET state = zeroblob(64)",
    "attempts": "UPDATE jobs SET attempts = 1000 WHERE seq = 2",
    "fewer attempts": "UPDATE jobs SET attempts = -1 WHERE seq = 2",
    "priority": "UPDATE jobs SET rank = 1000 WHERE seq = 2",
    "holder": "UPDATE jobs SET holder = 7 WHERE seq = 2",
    "time": "UPDATE jobs SET ended_at_ms = -5 WHERE seq = 2",
    "late": "UPDATE jobs SET submitted_at_ms = 1 << 60 WHERE seq = 2",
    "leader": "UPDATE jobs SET leader = 77 WHERE leader IS NOT NULL",
    "other leader": "UPDATE jobs SET leader = 3 WHERE leader IS NOT NULL",
    "no leader": "UPDATE jobs SET leader = NULL WHERE leader IS NOT NULL",
    "reason": "UPDATE jobs SET reason = 'why' WHERE seq = 2",
    "negative token": "UPDATE jobs SET token = -1 WHERE seq = 2",
    "seq 0": "UPDATE jobs SET seq = 0 WHERE seq = 2",
    "known seq": "UPDATE known SET seq = 1 << 40",
    "known total": "UPDATE known SET total = 7",
    "known time": "UPDATE known SET known_at_ms = -1",
    "worker": "INSERT INTO workers VALUES (3, 'w')",
    "backlog": _books("backlog_iterations", 1),
    "next seq": _books("next_seq", 2),
    "first token": _books("first_token", 10**9),
    "submitted": _books("submitted_total", 0),
    "negative": _books("failed_total", -1),
    "epoch": _books("epoch", "AAAA"),
    "latest": _books("latest_ms", 2**61),
    "work of another": "UPDATE jobs SET state = (SELECT state FROM jobs WHERE seq = 3) "
    "WHERE seq = 2",
    "key": "UPDATE jobs SET key = zeroblob(32) WHERE seq = 2",
    "attached work": "UPDATE jobs SET state = zeroblob(64) WHERE leader IS NOT NULL",
    "no text": "UPDATE names SET name = CAST(x'ff' AS TEXT) WHERE name = 'default'",
    "other tenant": "UPDATE names SET name = 'other' WHERE name = 'default'",
    "other workload": "UPDATE names SET name = 'md6' WHERE name = 'sha512'",
    "long name": "INSERT INTO names VALUES (900, printf('%.*c', 1000, 'x'))",
    "name": "DELETE FROM names WHERE name = 'default'",
    "submitted later": "UPDATE jobs SET submitted_at_ms = submitted_at_ms + 1 WHERE seq = 2",
    "ended later": "UPDATE jobs SET ended_at_ms = 200000000000000 WHERE seq = 1",
    "known later": "UPDATE known SET known_at_ms = known_at_ms + 1",
}


def edit(copy: Path, change: str) -> None:
    """Change a backup by SQL, and seal it again as if it had been so."""
    unsealed = copy.read_bytes()[: -len(backup_checksum.LINE) - backup_checksum.DIGEST_BYTES]
    copy.write_bytes(unsealed)
    with closing(apsw.Connection(str(copy))) as connection:
        connection.execute(change).fetchall()
    backup_checksum.seal(copy)


def test_a_sealed_backup_that_was_not_edited_is_taken(tmp_path: Path) -> None:
    """The tests below refuse the edit, not the sealing."""
    stand = Stand(open_sqlite, tmp_path / "store")
    stand.submit(new_job("a"), new_job("a"))
    stand.store.backup(copy := tmp_path / "copy")
    edit(copy, "SELECT 1")
    stand.store.restore(copy)
    stand.store.close()


@pytest.mark.parametrize("where", [0.02, 0.3, 0.5, 0.9, 0.999])
def test_one_flipped_bit_is_found(stand: Stand, tmp_path: Path, where: float) -> None:
    """Wherever it is: a value with another bit is a wrong result for somebody."""
    stand.submit(*(new_job() for _ in range(50)))
    stand.store.backup(copy := tmp_path / "copy")
    whole = bytearray(copy.read_bytes())
    whole[int(len(whole) * where)] ^= 1
    copy.write_bytes(whole)
    before = stand.stats()
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(copy)
    assert stand.stats() == before


@pytest.mark.parametrize("cut", [1, 32, 33, 77, 78, 4096])
def test_a_cut_backup_is_refused(stand: Stand, tmp_path: Path, cut: int) -> None:
    """Also when just the seal is missing."""
    stand.submit(*(new_job() for _ in range(50)))
    stand.store.backup(copy := tmp_path / "copy")
    copy.write_bytes(copy.read_bytes()[:-cut])
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(copy)


def test_a_backup_that_lost_its_seal_is_called_cut_short(tmp_path: Path) -> None:
    """And not a backup that should be given to the command that refuses it."""
    stand = Stand(open_sqlite, tmp_path / "store")
    stand.submit(new_job("a"))
    stand.store.backup(copy := tmp_path / "copy")
    copy.write_bytes(copy.read_bytes()[:-1])
    with pytest.raises(InvalidInput, match="cut short or is damaged") as refusal:
        stand.store.restore(copy)
    assert "workmill restore" not in refusal.value.detail
    stand.store.close()


def test_a_backup_from_before_there_were_seals_is_taken(tmp_path: Path) -> None:
    """It is checked as far as it can be."""
    stand = Stand(open_sqlite, tmp_path / "store")
    stand.submit(job := new_job("a"))
    stand.store.backup(copy := tmp_path / "copy")
    copy.write_bytes(copy.read_bytes()[: -len(backup_checksum.LINE) - backup_checksum.DIGEST_BYTES])
    with closing(apsw.Connection(str(copy))) as connection:
        connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}").fetchall()
    other = Stand(open_sqlite, tmp_path / "other")
    other.store.restore(copy)
    assert other.status(job) is Status.QUEUED
    other.store.close()
    stand.store.close()


def test_a_backup_is_not_served_as_a_store(tmp_path: Path) -> None:
    """Its tokens were not stepped over: a worker of the time before could finish its jobs."""
    stand = Stand(open_sqlite, tmp_path / "store")
    stand.store.backup(tmp_path / "copy")
    stand.store.close()
    (tmp_path / "other").mkdir()
    (tmp_path / "copy").rename(tmp_path / "other" / "jobs.db")
    with pytest.raises(StoreUnavailable, match="workmill restore"):
        Stand(open_sqlite, tmp_path / "other")


@pytest.mark.parametrize("change", CONTRADICTIONS.values(), ids=CONTRADICTIONS)
def test_a_file_that_contradicts_itself_is_refused(tmp_path: Path, change: str) -> None:
    """A sound SQLite file that no store could have written is told so, and nothing is changed."""
    stand = Stand(open_sqlite, tmp_path / "store")
    done = new_job("a")
    stand.submit(done)
    stand.finish(done, state_of("a", 100))
    stand.submit(*(new_job() for _ in range(3)))
    with stand.store.group():
        stand.store.submit([new_job("b"), new_job("b")])
    stand.submit(new_job("a"))
    stand.store.backup(copy := tmp_path / "copy")
    edit(copy, change)
    before = stand.stats()
    with pytest.raises(InvalidInput, match="Nothing was changed"):
        stand.store.restore(copy)
    assert stand.stats() == before
    assert stand.submit(new_job())[0].created
    stand.store.close()


def test_states_of_a_size_that_no_worker_takes_are_refused(tmp_path: Path) -> None:
    """Also when all of them have it: every job would be given up by its worker."""
    stand = Stand(open_sqlite, tmp_path / "store")
    stand.submit(new_job(), new_job())
    stand.store.backup(copy := tmp_path / "copy")
    edit(copy, "UPDATE jobs SET state = zeroblob(63)")
    with pytest.raises(InvalidInput, match="63 bytes"):
        stand.store.restore(copy)
    stand.store.close()


def test_a_failed_backup_leaves_the_last_one(stand: Stand, tmp_path: Path) -> None:
    """A backup has its name only when it is whole."""
    folder = tmp_path / "nowhere"
    with pytest.raises(StoreUnavailable, match="service is not touched"):
        stand.store.backup(folder / "copy")
    stand.store.backup(tmp_path / "copy")
    stand.store.backup(tmp_path / "copy")
    assert [path.name for path in tmp_path.glob("copy*")] == ["copy"]
