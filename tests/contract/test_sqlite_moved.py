"""A database that is moved or copied without its log: told, and never served as an older store."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import apsw
import pytest
from tests.contract.job_factory import new_job
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import Stand
from tests.contract.test_sqlite_crash import run_and_kill

from workmill.domain.errors import InvalidInput, StoreLost, StoreUnavailable
from workmill.store.sqlite import SqliteStore, mark, write_ahead_log
from workmill.store.sqlite.ownership import FILE_NAME, LOG_SUFFIX
from workmill.store.sqlite.schema import APPLICATION_ID

LOG_NAME = f"{FILE_NAME}{LOG_SUFFIX}"


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def other(tmp_path: Path) -> Path:
    (tmp_path / "other").mkdir()
    return tmp_path / "other"


def opened(directory: Path) -> Stand:
    return Stand(lambda place, *_: SqliteStore(place), directory)


@pytest.fixture
def stand(home: Path) -> Iterator[Stand]:
    made = opened(home)
    made.submit(*(new_job() for _ in range(3)))
    yield made
    made.store.close()


def jobs_in(directory: Path) -> int:
    """What a service that starts there finds."""
    with closing(opened(directory).store) as store, store.group():
        return store.stats().submitted_total


def copied(home: Path, to: Path, *names: str) -> Path:
    """A copy of the files, as `cp` makes it."""
    to.mkdir(exist_ok=True)
    for name in names:
        subprocess.run(["cp", str(home / name), str(to / name)], check=True)
    return to


def refuse(directory: Path) -> str:
    """The words of a start there; the file stays as it is to the byte."""
    before = (directory / FILE_NAME).read_bytes()
    with pytest.raises(StoreUnavailable, match=r"without jobs\.db-wal.*Nothing was changed") as no:
        SqliteStore(directory)
    assert (directory / FILE_NAME).read_bytes() == before
    assert not (directory / LOG_NAME).exists()
    return str(no.value)


def test_a_killed_store_that_is_moved_without_its_log_is_refused(home: Path, other: Path) -> None:
    """However often it is tried; with the log that was left behind everything is there."""
    submitted, _ = run_and_kill(home, 0)
    (home / FILE_NAME).rename(other / FILE_NAME)
    for _ in range(2):
        refuse(other)
    (home / LOG_NAME).rename(other / LOG_NAME)
    assert jobs_in(other) >= len(submitted)


def test_a_killed_store_whose_log_is_removed_is_refused(home: Path) -> None:
    """In its own place, too."""
    run_and_kill(home, 0)
    (home / LOG_NAME).unlink()
    refuse(home)


def test_a_copy_of_a_running_store_without_its_log_is_refused(
    stand: Stand, home: Path, other: Path
) -> None:
    """From the first acknowledged job on; with the log it is whole, and the running one goes on."""
    copied(home, other, FILE_NAME)
    refuse(other)
    copied(home, other, LOG_NAME)
    assert jobs_in(other) == 3
    assert stand.submit(new_job())[0].created


def test_checkpoints_leave_the_mark(
    home: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was acknowledged after the last one is missed as well."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 1)
    stand = opened(home)
    for _ in range(3):
        stand.submit(new_job())
    refuse(copied(home, other, FILE_NAME))
    stand.store.close()


def test_a_restarted_store_is_marked_again(stand: Stand, home: Path, other: Path) -> None:
    """After a clean close and after a kill."""
    stand.reopen()
    refuse(copied(home, other, FILE_NAME))
    stand.store.close()
    run_and_kill(home, 0)
    stand.store = opened(home).store
    refuse(copied(home, other, FILE_NAME))


def test_a_store_that_was_closed_may_be_moved_alone(stand: Stand, home: Path, other: Path) -> None:
    """The usual way to move one."""
    stand.store.close()
    assert not (home / LOG_NAME).exists()
    assert jobs_in(copied(home, other, FILE_NAME)) == 3


def test_a_person_may_go_on_with_the_file_alone(home: Path, other: Path) -> None:
    """By the command that the refusal names; the store is marked and moved as any other then."""
    place = other / "with 'quotes' and spaces"
    place.mkdir()
    run_and_kill(home, 0)
    (home / FILE_NAME).rename(place / FILE_NAME)
    said = refuse(place)
    subprocess.run(shlex.split(said[said.index("touch ") :]), check=True)
    stand = opened(place)
    kept = stand.stats().submitted_total
    stand.submit(new_job())
    refuse(copied(place, other / "third", FILE_NAME))
    stand.store.close()
    assert jobs_in(copied(place, other / "fourth", FILE_NAME)) == kept + 1


def test_a_refused_start_takes_no_log_away(home: Path) -> None:
    """A start by another version closes what it has opened, and the right one finds everything."""
    submitted, _ = run_and_kill(home, 0)
    with closing(apsw.Connection(str(home / FILE_NAME))) as newer:
        newer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        newer.execute("PRAGMA user_version = 9").fetchall()
    with pytest.raises(StoreUnavailable, match="is of version 9"):
        SqliteStore(home)
    with closing(apsw.Connection(str(home / FILE_NAME))) as newer:
        newer.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        newer.execute("PRAGMA user_version = 1").fetchall()
    assert jobs_in(home) >= len(submitted)


def test_a_store_that_was_never_closed_but_let_go_keeps_its_log(home: Path, other: Path) -> None:
    """An interpreter that ends closes its connections; that is no clean close of a store."""
    script = (
        "import sys, pathlib; from workmill.store.sqlite import SqliteStore\n"
        "from tests.contract.job_factory import new_job\n"
        "store = SqliteStore(pathlib.Path(sys.argv[1]))\n"
        "with store.group(): store.submit([new_job()])\n"
    )
    subprocess.run([sys.executable, "-c", script, str(home)], check=True)
    refuse(copied(home, other, FILE_NAME))
    assert jobs_in(home) == 1


def test_a_reader_at_the_close_changes_nothing(stand: Stand, home: Path, other: Path) -> None:
    """The log stays as long as it is read, and whoever reads last takes both away."""
    with closing(apsw.Connection(str(home / FILE_NAME))) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM jobs").fetchall()
        stand.submit(new_job())
        stand.store.close()
        refuse(copied(home, other, FILE_NAME))
        assert jobs_in(copied(home, other / "both", FILE_NAME, LOG_NAME)) == 4
    assert not (home / LOG_NAME).exists()
    assert jobs_in(home) == 4


def test_a_file_that_cannot_take_the_log_at_the_close_keeps_it(
    home: Path, other: Path, disk: SickDisk
) -> None:
    """A full disk: closed as before, the mark and the log stay, the next start has everything."""
    stand = opened(home)
    stand.submit(*(new_job() for _ in range(500)))
    disk.full = FILE_NAME
    stand.store.close()
    disk.full = ""
    refuse(copied(home, other, FILE_NAME))
    assert jobs_in(home) == 500


@pytest.mark.parametrize("full", [FILE_NAME, LOG_SUFFIX])
def test_a_store_that_opens_on_a_full_disk_is_marked_when_there_is_room(
    stand: Stand,
    home: Path,
    other: Path,
    disk: SickDisk,
    monkeypatch: pytest.MonkeyPatch,
    full: str,
) -> None:
    """It is served without until then."""
    monkeypatch.setattr("workmill.store.sqlite.write_ahead_log.time.monotonic", lambda: 1000.0)
    stand.store.close()
    begin = write_ahead_log.Log.begin

    def on_a_full_disk(self: write_ahead_log.Log, *, marked: bool) -> None:
        disk.full = full
        begin(self, marked=marked)
        disk.full = ""

    monkeypatch.setattr(write_ahead_log.Log, "begin", on_a_full_disk)
    stand.store = opened(home).store
    assert not mark.is_marked(home / FILE_NAME)
    stand.submit(new_job())
    refuse(copied(home, other, FILE_NAME))


def test_a_long_log_is_not_copied_for_the_mark_before_the_store_is_open(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that a Workmill without marks has left: the first group brings the mark instead."""
    run_and_kill(home, 0)
    _as_from_before(home / FILE_NAME)
    monkeypatch.setattr(write_ahead_log, "MARK_PAGES", 1)
    stand = opened(home)
    assert not mark.is_marked(home / FILE_NAME)
    stand.submit(new_job())
    stand.store.close()
    assert jobs_in(home) > 1


def _as_from_before(file: Path) -> None:
    """Without the mark in the file or in its log, which stays."""
    with closing(apsw.Connection(str(file))) as connection:
        connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}").fetchall()
        connection.wal_checkpoint()
        connection.execute("UPDATE books SET page = page").fetchall()


def test_a_store_from_before_there_were_marks_opens(home: Path, other: Path) -> None:
    """After a kill of such a Workmill: with its log, and marked from then on."""
    submitted, _ = run_and_kill(home, 0)
    _as_from_before(home / FILE_NAME)
    stand = opened(home)
    assert stand.stats().submitted_total >= len(submitted)
    refuse(copied(home, other, FILE_NAME))
    stand.store.close()


def test_a_marked_file_that_was_copied_over_an_open_one_is_refused(
    stand: Stand, home: Path, other: Path
) -> None:
    """Its log is where it came from; the log that was put aside belongs to the one before, unless
    only the time of the file was changed: both are named."""
    with closing(opened(other).store) as running:
        with running.group():
            running.submit([new_job() for _ in range(40)])
        shutil.copyfile(other / FILE_NAME, home / FILE_NAME)
        with pytest.raises(StoreLost):
            stand.submit(new_job())
        stand.store.close()
        assert f"{LOG_NAME}.aside-1" in refuse(home)
        copied(other, home, FILE_NAME, LOG_NAME)
        stand.store = opened(home).store
    assert stand.stats().submitted_total == 40


def test_a_symlinked_database_is_looked_at_where_it_is(home: Path, other: Path) -> None:
    """Its log is beside the file, not beside the name."""
    run_and_kill(home, 0)
    (other / FILE_NAME).symlink_to(home / FILE_NAME)
    assert jobs_in(other) > 0
    run_and_kill(home, 1_000_000)
    (home / LOG_NAME).rename(other / LOG_NAME)
    with pytest.raises(StoreUnavailable, match="without"):
        SqliteStore(other)


def test_a_backup_has_no_mark(stand: Stand, other: Path) -> None:
    """Of a running store: it is restored as ever."""
    stand.store.backup(other / "copy")
    assert not mark.is_marked(other / "copy")
    fresh = opened(other / "fresh")
    fresh.store.restore(other / "copy")
    assert fresh.stats().submitted_total == 3
    fresh.store.close()


def test_a_database_copied_from_a_running_store_is_no_backup(
    stand: Stand, home: Path, other: Path
) -> None:
    """A restore of it would replace everything by what its log has left out; a whole one of
    SQLite's own (VACUUM INTO) is taken, and served."""
    copied(home, other, FILE_NAME)
    (other / "whole").mkdir()
    with closing(apsw.Connection(str(home / FILE_NAME))) as reader:
        reader.execute("VACUUM INTO ?", (str(other / "whole" / FILE_NAME),)).fetchall()
    with pytest.raises(InvalidInput, match=r"that was open.*Nothing was changed"):
        stand.store.restore(other / FILE_NAME)
    stand.store.restore(other / "whole" / FILE_NAME)
    assert stand.stats().submitted_total == 3
    assert jobs_in(other / "whole") == 3


def test_the_mark_goes_after_all_else_is_in_the_file(
    stand: Stand, home: Path, other: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SQLite copies the header first: a kill in the middle of that must leave the mark."""
    take_back = mark.take_back

    def seen(connection: apsw.Connection) -> None:
        copied(home, other, FILE_NAME)
        take_back(connection)

    monkeypatch.setattr(mark, "take_back", seen)
    stand.store.close()
    refuse(other)
    (other / LOG_NAME).touch()
    assert jobs_in(other) == 3


def test_a_symlink_to_a_file_of_another_name_is_refused(
    stand: Stand, home: Path, other: Path
) -> None:
    """No empty store is begun beside the file that is meant."""
    stand.store.close()
    (home / FILE_NAME).rename(other / "data.db")
    (home / FILE_NAME).symlink_to(other / "data.db")
    with pytest.raises(StoreUnavailable, match=r"leads to .*data\.db.*Nothing was changed"):
        SqliteStore(home)
    assert [path.name for path in other.iterdir()] == ["data.db"]
