"""Files that go away, or change, under an open store: nothing more is acknowledged."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from tests.contract.job_factory import new_job
from tests.contract.store_drivers import Stand

from workmill.domain.errors import StoreLost, StoreUnavailable
from workmill.store.sqlite import SqliteStore, write_ahead_log
from workmill.store.sqlite.ownership import FILE_NAME, LOCK_NAME, LOG_SUFFIX, RESERVE_SUFFIX


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def stand(home: Path) -> Iterator[Stand]:
    made = Stand(lambda directory, *_: SqliteStore(directory), home)
    made.submit(new_job("a"))
    yield made
    made.store.close()


def _remove_all(home: Path) -> None:
    for file in home.glob(f"{FILE_NAME}*"):
        file.unlink()


def _another_in_its_place(home: Path) -> None:
    file = home / FILE_NAME
    (home / "other").write_bytes(file.read_bytes())
    (home / "other").rename(file)


def _copied_over(home: Path) -> None:
    """The inode stays, the bytes are others."""
    (home / FILE_NAME).write_bytes(b"SQLite format 3\0" + bytes(8176))


def _copied_over_at_its_length(home: Path) -> None:
    """As when the copy of a moment ago is put there: nothing but the time of change tells."""
    file = home / FILE_NAME
    file.write_bytes(file.read_bytes())
    os.utime(file, (1, 1))


def _copied_over_with_its_time(home: Path) -> None:
    """As `cp --preserve` and `rsync --times` do it: the length tells."""
    file = home / FILE_NAME
    before = file.stat()
    file.write_bytes(file.read_bytes() + bytes(4096))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))


def _moved_away(home: Path) -> None:
    home.rename(home.with_name("elsewhere"))


def _directory_replaced(home: Path) -> None:
    _moved_away(home)
    SqliteStore(home).close()


def _log_removed(home: Path) -> None:
    (home / f"{FILE_NAME}-wal").unlink()


def _log_replaced(home: Path) -> None:
    file = home / f"{FILE_NAME}-wal"
    copy = file.read_bytes()
    file.unlink()
    file.write_bytes(copy)


LOSSES = [
    _remove_all,
    _another_in_its_place,
    _copied_over,
    _copied_over_at_its_length,
    _copied_over_with_its_time,
    _moved_away,
    _directory_replaced,
    _log_removed,
    _log_replaced,
]


@pytest.mark.parametrize("lose", LOSSES)
def test_nothing_is_acknowledged_into_files_that_are_gone(
    stand: Stand, home: Path, lose: Callable[[Path], None]
) -> None:
    """The first change after it is refused, and so is everything that follows. Nobody is told that
    what those files held is kept."""
    lose(home)
    with pytest.raises(StoreLost, match="may be lost"):
        stand.submit(new_job())
    with pytest.raises(StoreLost, match="is in its files"):
        stand.stats()


@pytest.mark.parametrize("lose", LOSSES)
def test_a_probe_finds_it_when_nobody_calls(
    stand: Stand, home: Path, lose: Callable[[Path], None]
) -> None:
    """Readiness ends without anybody's submit."""
    stand.stats()
    lose(home)
    with pytest.raises(StoreLost), stand.store.group():
        stand.store.probe()


def test_files_that_cannot_be_looked_at_are_not_called_gone(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right to look that was taken away, or a disk that hesitates, loses no job."""

    def without_right(path: str) -> None:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    monkeypatch.setattr("workmill.store.sqlite.ownership._seen", without_right)
    assert stand.submit(new_job())[0].created


def test_a_checkpoint_of_its_own_is_not_taken_for_a_stranger(
    stand: Stand, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It writes into the file, and nobody else does."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 1)
    for _ in range(5):
        stand.submit(new_job())
        with stand.store.group():
            stand.store.probe()
    assert stand.stats().submitted_total == 6


def test_a_removed_index_of_the_log_harms_nothing(stand: Stand, home: Path) -> None:
    """Whoever owns the store has it in memory, and the next owner makes it anew."""
    (home / f"{FILE_NAME}-shm").unlink()
    stand.submit(new_job())
    stand.store.backup(home / "copy")
    stand.reopen()
    assert stand.stats().submitted_total == 2


def test_what_was_committed_before_the_log_went_is_kept(stand: Stand, home: Path) -> None:
    """The open log still has it, and closing brings it into the file."""
    _log_removed(home)
    with pytest.raises(StoreLost):
        stand.submit(new_job())
    stand.reopen()
    assert stand.stats().submitted_total >= 1


def test_the_log_of_a_file_that_was_copied_over_is_not_played_into_the_new_one(
    stand: Stand, home: Path, tmp_path: Path
) -> None:
    """It is put aside; what somebody copied there is what the next start finds."""
    other = Stand(lambda directory, *_: SqliteStore(directory), tmp_path / "other")
    other.submit(*(new_job() for _ in range(40)))
    other.store.close()
    shutil.copyfile(tmp_path / "other" / FILE_NAME, home / FILE_NAME)
    with pytest.raises(StoreLost):
        stand.submit(new_job())
    stand.reopen()
    assert stand.stats().submitted_total == 40
    assert [path.name for path in home.glob("*.aside-*")] == [f"{FILE_NAME}-wal.aside-1"]


def test_a_file_that_was_replaced_leaves_the_log_in_its_place(stand: Stand, home: Path) -> None:
    """It still belongs to the file that is open: what became of that is said as it is."""
    _another_in_its_place(home)
    with pytest.raises(StoreLost, match="was replaced by another file"):
        stand.submit(new_job())
    stand.reopen()
    assert not list(home.glob("*.aside-*"))


_SECOND = """
import sys, pathlib
from workmill.store.sqlite import SqliteStore
SqliteStore(pathlib.Path(sys.argv[1]))
"""


def _second_owner(directory: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-c", _SECOND, str(directory)], capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    return run.stderr


def test_a_removed_lock_file_lets_nobody_else_in(stand: Stand, home: Path) -> None:
    """The lock is on the directory, not on a name in it."""
    (home / LOCK_NAME).unlink()
    assert "owns the store" in _second_owner(home)
    assert stand.submit(new_job())[0].created


def test_an_owner_that_knows_of_the_lock_file_alone_is_met_too(stand: Stand, home: Path) -> None:
    """A Workmill from before the directory was locked holds nothing else."""
    stand.store.close()
    with (home / LOCK_NAME).open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        assert "owns the store" in _second_owner(home)
    stand.store = SqliteStore(home)


def test_a_disk_that_takes_no_note_keeps_nobody_out(
    stand: Stand, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock needs no byte; and what the note says of the store is not lost by it."""

    def without_room(*_given: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    stand.store.close()
    with monkeypatch.context() as full:
        full.setattr("workmill.store.sqlite.ownership.os.pwrite", without_room)
        SqliteStore(home).close()
        new = SqliteStore(home.with_name("new"))
        new.close()
    _remove_all(home)
    with pytest.raises(StoreUnavailable, match="a store was here"):
        SqliteStore(home)
    (home / LOCK_NAME).unlink()
    stand.store = SqliteStore(home)


def test_a_symlink_to_the_directory_or_to_the_file_is_the_same_store(
    stand: Stand, home: Path, tmp_path: Path
) -> None:
    """Whichever way a second owner comes, it meets the first one's lock."""
    (tmp_path / "link").symlink_to(home)
    assert f"pid {os.getpid()}" in _second_owner(tmp_path / "link")
    (tmp_path / "apart").mkdir()
    (tmp_path / "apart" / FILE_NAME).symlink_to(home / FILE_NAME)
    assert f"pid {os.getpid()}" in _second_owner(tmp_path / "apart")
    assert stand.submit(new_job())[0].created


def test_a_file_with_two_names_is_refused(stand: Stand, home: Path, tmp_path: Path) -> None:
    """A hard link in another directory leads around every lock on this one."""
    (tmp_path / "apart").mkdir()
    os.link(home / FILE_NAME, tmp_path / "apart" / FILE_NAME)
    assert "hard links" in _second_owner(tmp_path / "apart")
    assert stand.submit(new_job())[0].created


def test_the_rest_of_a_store_is_not_begun_anew(home: Path, stand: Stand) -> None:
    """A database that was moved away by mistake is said to be missing: no empty one is made."""
    stand.store.close()
    (home / FILE_NAME).rename(home / "safe")
    with pytest.raises(StoreUnavailable, match="a store was here"):
        SqliteStore(home)
    (home / "safe").rename(home / FILE_NAME)
    stand.store = SqliteStore(home)
    assert stand.stats().submitted_total == 1


@pytest.mark.parametrize("end", [LOG_SUFFIX, RESERVE_SUFFIX])
def test_any_part_of_the_rest_is_enough(tmp_path: Path, end: str) -> None:
    """Also where the note of a store that was here has gone with its file."""
    (tmp_path / f"{FILE_NAME}{end}").write_bytes(b"rest")
    with pytest.raises(StoreUnavailable, match=rf"{FILE_NAME}{end}.*a store was here"):
        SqliteStore(tmp_path)
    assert (tmp_path / f"{FILE_NAME}{end}").read_bytes() == b"rest"


def test_a_store_whose_files_were_all_removed_is_not_begun_anew(home: Path, stand: Stand) -> None:
    """An endpoint that is started again in the same directory does not serve an empty store as if
    nothing had been there, however often it is tried; without the note it begins anew."""
    stand.store.close()
    _remove_all(home)
    for _ in range(2):
        with pytest.raises(StoreUnavailable, match=rf"a store was here.*remove {LOCK_NAME} too"):
            SqliteStore(home)
    (home / LOCK_NAME).unlink()
    stand.store = SqliteStore(home)
    assert stand.stats().submitted_total == 0


def test_a_store_that_was_emptied_is_not_begun_anew(home: Path, stand: Stand) -> None:
    """A database of no bytes is refused with its log kept, which SQLite would delete."""
    log = (home / f"{FILE_NAME}-wal").read_bytes()
    stand.store.close()
    kept = (home / FILE_NAME).read_bytes()
    (home / FILE_NAME).write_bytes(b"")
    (home / f"{FILE_NAME}-wal").write_bytes(log)
    with pytest.raises(StoreUnavailable, match="is empty, and a store was here"):
        SqliteStore(home)
    assert (home / f"{FILE_NAME}-wal").read_bytes() == log
    (home / FILE_NAME).write_bytes(kept)
    stand.store = SqliteStore(home)
    assert stand.stats().submitted_total == 1


STRANGERS = {
    "jobs removed": "DELETE FROM jobs",
    "a trigger that swallows jobs": "CREATE TRIGGER t AFTER INSERT ON jobs BEGIN "
    "DELETE FROM jobs WHERE seq = new.seq; END",
    "an index removed": "DROP INDEX jobs_queue",
    "vacuumed": "VACUUM",
}


@pytest.mark.parametrize("kind", STRANGERS)
def test_a_stranger_who_writes_with_sqlite_is_noticed(tmp_path: Path, kind: str) -> None:
    """Before the next group: nothing more is acknowledged on what somebody else has changed, not
    even the answer that there is no such job. Who only reads disturbs nothing."""
    store = SqliteStore(tmp_path)
    with store.group():
        store.submit([job := new_job()])
    with closing(apsw.Connection(str(tmp_path / "jobs.db"))) as stranger:
        assert stranger.execute("SELECT count(*) FROM jobs").get == 1
        with store.group():
            store.submit([new_job()])
        stranger.execute(STRANGERS[kind]).fetchall()
    for _ in range(2):
        with pytest.raises(StoreLost, match="somebody else has changed"), store.group():
            store.get([job.id])
    store.close()
    SqliteStore(tmp_path).close()


@pytest.mark.parametrize("number", [errno.ENOLCK, errno.EBADF, errno.EOPNOTSUPP])
def test_a_file_system_without_locks_is_refused_in_words(
    home: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """As network file systems answer; then nothing would keep a second owner out."""

    def no_locks(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", no_locks)
    with pytest.raises(StoreUnavailable, match=r"cannot be locked \(.*--data"):
        SqliteStore(home)
    assert not (home / FILE_NAME).exists()


@pytest.mark.parametrize("name", [FILE_NAME, LOCK_NAME])
def test_a_pipe_in_the_place_of_a_file_is_refused(home: Path, name: str) -> None:
    """Nobody waits for its other end."""
    SqliteStore(home).close()
    (home / name).unlink()
    os.mkfifo(home / name)
    with pytest.raises(StoreUnavailable, match=f"{name} is no ordinary file"):
        SqliteStore(home)
