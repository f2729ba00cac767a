"""A disk without a free byte: said as that, and what is finished can be fetched."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.contract.job_factory import new_job
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import Stand

from workmill.domain.errors import StoreFull, StoreUnavailable
from workmill.runtime.data_directory import directory_of_cluster
from workmill.store.sqlite import SqliteStore, disk_room, sqlite_errors
from workmill.store.sqlite import database_file as sqlite_file
from workmill.store.sqlite.disk_room import RESERVE_BYTES, Room
from workmill.store.sqlite.ownership import (
    FILE_NAME,
    LOG_SUFFIX,
    RESERVE_SUFFIX,
    remove_unborn,
)


class FullDisk:
    """How much is free, as the store sees it: the reserve's blocks, once it is gone."""

    def __init__(self, reserve: Path) -> None:
        self._reserve = reserve

    def __call__(self, _directory: Path) -> int:
        return 0 if self._reserve.exists() else RESERVE_BYTES


@pytest.fixture
def reserve(tmp_path: Path) -> Path:
    return tmp_path / "store" / f"{FILE_NAME}{RESERVE_SUFFIX}"


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(lambda directory, *_: SqliteStore(directory), tmp_path / "store")
    made.submit(new_job(total=1))
    yield made
    made.store.close()


def test_the_reserve_has_its_blocks(stand: Stand, reserve: Path) -> None:
    """A file with a hole in it would keep nothing."""
    assert stand.stats().submitted_total == 1
    assert reserve.stat().st_blocks * 512 >= RESERVE_BYTES


def test_a_full_disk_at_the_start_lets_results_out(
    stand: Stand, reserve: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reserve goes; new jobs are refused, the old ones are served."""
    monkeypatch.setattr(disk_room, "free_bytes", FullDisk(reserve))
    stand.reopen()
    assert not reserve.exists()
    with pytest.raises(StoreFull):
        stand.submit(new_job())
    assert len(stand.pull().results) == 1


def test_a_disk_that_fills_up_while_it_serves_gives_the_reserve(
    tmp_path: Path, reserve: Path, disk: SickDisk
) -> None:
    """The group that met it is refused; the next one passes, and the reserve comes back."""
    stand = Stand(lambda directory, *_: SqliteStore(directory), tmp_path / "store")
    disk.full = LOG_SUFFIX
    with pytest.raises(StoreUnavailable, match="is full"):
        stand.submit(new_job())
    assert not reserve.exists()
    disk.full = ""
    with stand.store.group():
        stand.store.probe()
    assert reserve.exists()
    stand.store.close()


def test_the_log_is_kept_short_on_a_full_disk(
    stand: Stand, reserve: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the reserve gave must last: the log is copied long before its usual length."""
    monkeypatch.setattr(disk_room, "free_bytes", FullDisk(reserve))
    stand.reopen()
    monkeypatch.setattr("workmill.store.sqlite.write_ahead_log.SHORT_PAGES", 1)
    with stand.store.group():
        stand.store.probe()
    assert stand.store._log._pages == 0  # type: ignore[attr-defined]


def failed(text: str, extended: int) -> apsw.IOError:
    """An I/O error as apsw raises it."""
    error: Any = apsw.IOError(text)
    error.extendedresult = extended
    return error  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("number", "extended", "words"),
    [
        (errno.ENOSPC, apsw.SQLITE_IOERR_SHMSIZE, "is full"),
        (errno.EDQUOT, apsw.SQLITE_IOERR_WRITE, "is full"),
        (errno.ENOSPC, apsw.SQLITE_IOERR_TRUNCATE, "is full"),
        (errno.EROFS, apsw.SQLITE_IOERR_WRITE, "cannot be written to"),
        (errno.EPERM, apsw.SQLITE_IOERR_WRITE, "cannot be written to"),
    ],
)
def test_what_the_system_refuses_is_called_by_its_name(
    tmp_path: Path, number: int, extended: int, words: str
) -> None:
    """A quota or a file system without writing is no broken disk; the next write may pass."""
    error = failed("disk I/O error", extended)
    assert not sqlite_errors.is_damage(error, number, at_commit=False)
    assert words in sqlite_errors.reason_of(error, number, tmp_path)


@pytest.mark.parametrize("kind", [apsw.IOError, apsw.CantOpenError, apsw.ReadOnlyError])
def test_the_system_is_asked_about_every_error_that_comes_from_it(kind: type[apsw.Error]) -> None:
    """Without its number a quota looks like a broken disk; of others it is of some call before."""

    class Told:
        system_errno = errno.EDQUOT

    connection: Any = Told()
    assert sqlite_errors.system_errno_of(connection, kind("it failed")) == errno.EDQUOT
    assert sqlite_errors.system_errno_of(connection, apsw.FullError("it failed")) == 0


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_failed_fsync_is_always_damage(number: int) -> None:
    """Even one that failed for want of room: the pages may be gone."""
    error = failed("fsync", apsw.SQLITE_IOERR_FSYNC)
    assert sqlite_errors.is_damage(error, number, at_commit=True)


def test_an_error_of_the_shared_index_at_commit_has_an_unknown_outcome() -> None:
    """SQLite meets it after the log was synced."""
    error = failed("disk I/O error", apsw.SQLITE_IOERR_SHMSIZE)
    assert sqlite_errors.is_damage(error, errno.ENOSPC, at_commit=True)


@pytest.mark.parametrize("kind", ["a file", "below a file", "nowhere to make it"])
def test_a_place_that_cannot_hold_a_store_is_said_in_one_sentence(
    tmp_path: Path, kind: str
) -> None:
    """What happened, that nothing was changed, and what to do."""
    (tmp_path / "file").write_text("x")
    place = {
        "a file": tmp_path / "file",
        "below a file": tmp_path / "file" / "store",
        "nowhere to make it": Path("/proc/workmill"),
    }[kind]
    with pytest.raises(StoreUnavailable, match=r"cannot hold a store.*Nothing was changed.*--data"):
        SqliteStore(place)


def test_a_refused_first_start_leaves_no_database(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An empty one would keep a cluster out of the directory, as if there were jobs in it."""

    def without_room(_connection: apsw.Connection) -> None:
        raise apsw.FullError("database or disk is full")

    monkeypatch.setattr(sqlite_file, "_set_up", without_room)
    with pytest.raises(StoreUnavailable, match="is full"):
        SqliteStore(tmp_path / "new")
    assert not list((tmp_path / "new").glob(f"{FILE_NAME}*"))
    assert directory_of_cluster(str(tmp_path / "new")) == (tmp_path / "new").resolve()


@pytest.mark.parametrize("fits", [RESERVE_BYTES, RESERVE_BYTES // 4, 0])
def test_what_fits_of_the_reserve_is_kept_for_the_next_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fits: int
) -> None:
    """The log that was just removed may leave less room than the reserve had."""

    def allocate(descriptor: int, start: int, size: int) -> None:
        if start + size > fits:
            raise OSError(errno.ENOSPC, "no space left")
        os.ftruncate(descriptor, size)

    monkeypatch.setattr("workmill.store.sqlite.disk_room.os.posix_fallocate", allocate)
    kept = Room(tmp_path / FILE_NAME)
    kept.release()
    kept.leave()
    held = [one.stat().st_size for one in tmp_path.glob(f"*{RESERVE_SUFFIX}")]
    assert held == ([fits] if fits else [])


def test_a_file_that_holds_something_is_never_taken_for_one_that_was_not_made(
    tmp_path: Path,
) -> None:
    """What a start has found or filled stays, however the start ends."""
    (tmp_path / "filled").write_bytes(b"jobs")
    (tmp_path / "empty").touch()
    for name in ("filled", "empty", "none"):
        remove_unborn(tmp_path / name)
    assert [one.name for one in tmp_path.iterdir()] == ["filled"]


def test_room_that_cannot_be_told_is_not_called_full(tmp_path: Path) -> None:
    """The write itself will say."""
    assert sqlite_errors.free_bytes(tmp_path / "gone") == sys.maxsize
