"""A real disk that somebody else fills, under an open store and before its start."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job
from tests.contract.store_drivers import Stand
from tests.faults.disks import empty, mounted, needs_disks, run

from workmill.domain.errors import StoreFull, StoreUnavailable
from workmill.store.sqlite import SqliteStore

pytestmark = [pytest.mark.faults, needs_disks]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    image = tmp_path / "disk.img"
    with image.open("ab") as file:
        file.truncate(160 * 1024 * 1024)
    empty(image)
    with mounted(image, tmp_path / "disk") as at:
        yield at


def fill(disk: Path) -> None:
    """To the last byte that this user may write."""
    with (disk / "fill").open("ab", buffering=0) as file:
        for size in (1 << 20, 4096, 512):
            try:
                while True:
                    os.write(file.fileno(), bytes(size))
            except OSError:
                continue


def opened(disk: Path) -> Stand:
    return Stand(lambda directory, *_: SqliteStore(directory), disk / "store")


def probe(stand: Stand) -> None:
    with stand.store.group():
        stand.store.probe()


def test_results_leave_a_full_disk_and_none_is_lost(disk: Path) -> None:
    """Refused, then served from the reserve; every result comes once, from the running store and
    from one that is started with nothing free."""
    stand = opened(disk)
    for _ in range(10):
        stand.submit(*(new_job(total=1) for _ in range(200)))
    fill(disk)
    with pytest.raises(StoreFull):
        stand.submit(new_job())
    with pytest.raises(StoreUnavailable, match=r"is full.*Nothing was changed"):
        stand.pull(50)
    fetched = sum(len(stand.pull(50).results) for _ in range(20))
    assert fetched == 1000
    probe(stand)
    stand.store.close()
    fill(disk)
    stand = opened(disk)
    while results := stand.pull(100).results:
        fetched += len(results)
    assert fetched == 2000
    (disk / "fill").unlink()
    assert stand.submit(new_job())[0].created
    stand.store.close()


def test_a_disk_that_may_not_be_written_is_said_in_one_sentence(disk: Path) -> None:
    """No traceback, and the store is as it was."""
    stand = opened(disk)
    stand.submit(new_job())
    stand.store.close()
    run("mount", "-o", "remount,ro", disk)
    with pytest.raises(StoreUnavailable, match="Read-only file system"):
        opened(disk)
    run("mount", "-o", "remount,rw", disk)
    stand = opened(disk)
    assert stand.stats().submitted_total == 1
    stand.store.close()


def test_a_store_may_be_made_unwritable_while_it_is_open(disk: Path) -> None:
    """An immutable log refuses every change, says so, and takes them again by itself."""
    stand = opened(disk)
    stand.submit(new_job())
    log = disk / "store" / "jobs.db-wal"
    run("chattr", "+i", log)
    with pytest.raises(StoreUnavailable, match="cannot be written to"):
        probe(stand)
    run("chattr", "-i", log)
    probe(stand)
    assert stand.submit(new_job())[0].created
    stand.store.close()


def test_a_bind_mount_is_the_same_store(disk: Path, tmp_path: Path) -> None:
    """The lock is on the directory, by whatever path it is reached."""
    stand = opened(disk)
    (tmp_path / "other").mkdir()
    run("mount", "--bind", disk / "store", tmp_path / "other")
    try:
        with pytest.raises(StoreUnavailable, match=f"pid {os.getpid()}"):
            SqliteStore(tmp_path / "other")
    finally:
        run("umount", tmp_path / "other")
    stand.store.close()
