"""What only the embedded store promises: one owner, one good file, few steps, and a full stop."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import apsw
import pytest
from tests.contract.conftest import open_sqlite
from tests.contract.job_factory import new_job, state_of
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import HandClock, Stand

from workmill.domain.errors import StoreFull, StoreLost, StoreUnavailable
from workmill.domain.job import Completion, LeaseRequest, Node, PullRequest, Verdict
from workmill.domain.lifecycle import Status
from workmill.store.sqlite import SqliteStore, write_ahead_log
from workmill.store.sqlite.ownership import FILE_NAME


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory with a store of one job, closed."""
    stand = Stand(open_sqlite, tmp_path / "store")
    stand.submit(new_job("a"))
    stand.store.close()
    return tmp_path / "store"


def test_a_second_owner_is_refused(folder: Path) -> None:
    """In this process and in any other, with the pid of the one that owns it."""
    store = SqliteStore(folder)
    with pytest.raises(StoreUnavailable, match=f"pid {os.getpid()}"):
        SqliteStore(folder)
    program = "import sys, pathlib; from workmill.store.sqlite import SqliteStore\n"
    program += "SqliteStore(pathlib.Path(sys.argv[1]))"
    other = subprocess.run(
        [sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=False
    )
    assert f"pid {os.getpid()}" in other.stderr
    store.close()
    SqliteStore(folder).close()


@pytest.mark.parametrize("hours", [1, -1])
def test_the_machines_clock_may_be_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hours: int
) -> None:
    """No lease ends an hour early, and none is held an hour longer."""
    wall_ns, ticks_ns = time.time_ns(), [0]
    monkeypatch.setattr("time.monotonic_ns", lambda: ticks_ns[0])
    stand = Stand(lambda directory, *_: SqliteStore(directory), tmp_path / "store")
    stand.submit(new_job("a"))
    lease = stand.lease(1, lease_seconds=15)[0]
    monkeypatch.setattr("time.time_ns", lambda: wall_ns + hours * 3600 * 10**9)
    assert stand.lease() == []
    for _ in range(16):
        ticks_ns[0] += 10**9
        stand.stats()  # an endpoint's beats are groups, too
    assert [one.id for one in stand.lease()] == [lease.id]
    stand.store.close()


@pytest.mark.parametrize("damage", ["text", "torn", "foreign", "newer"])
def test_a_file_that_is_no_store_is_refused_and_left_alone(folder: Path, damage: str) -> None:
    """It may be somebody's only copy of something."""
    path = folder / FILE_NAME
    whole = path.read_bytes()
    bad = {
        "text": b"not a database" * 1000,
        "torn": whole[:5000],
        "foreign": whole[:68] + b"\0\0\0\0" + whole[72:],
        "newer": whole[:60] + b"\0\0\0\x09" + whole[64:],
    }[damage]
    path.write_bytes(bad)
    with pytest.raises(StoreUnavailable, match="left as it is"):
        SqliteStore(folder)
    assert path.read_bytes() == bad
    path.write_bytes(whole)
    SqliteStore(folder).close()


def test_a_store_is_not_carried_over_a_fork(folder: Path) -> None:
    """A child that used its parent's connection would corrupt the file."""
    store = SqliteStore(folder)
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            with store.group():
                os.write(write, b"went in")
        except StoreUnavailable:
            os.write(write, b"refused")
        finally:
            os._exit(0)
    os.waitpid(child, 0)
    assert os.read(read, 100) == b"refused"
    os.close(read)
    os.close(write)
    store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failed_fsync_of_the_log_stops_the_store(folder: Path, disk: SickDisk) -> None:
    """After it nothing can be promised: everything is refused until a new process looks, and it is
    not said that nothing was changed."""
    store = SqliteStore(folder)
    with store.group():
        store.submit([good := new_job("good")])
    disk.sick = "-wal"
    with pytest.raises(StoreLost, match="not known") as lost, store.group():
        store.submit([bad := new_job("bad")])
    assert "Nothing" not in str(lost.value)
    disk.sick = ""
    with pytest.raises(StoreLost), store.group():
        store.stats()
    store.close()
    store = SqliteStore(folder)
    with store.group():
        kept, unknown = store.get([good.id, bad.id])
    assert kept is not None
    assert unknown is None or unknown.state == bad.state
    store.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_failed_fsync_of_the_file_stops_the_store_after_its_group(
    folder: Path, disk: SickDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is in the log, and so acknowledged; the next one is refused."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 1)
    store = SqliteStore(folder)
    disk.sick = ".db"
    with store.group():
        store.submit([job := new_job("committed")])
    disk.sick = ""
    with pytest.raises(StoreLost), store.group():
        store.stats()
    store.close()
    store = SqliteStore(folder)
    with store.group():
        assert store.get([job.id]) != [None]
    store.close()


def test_a_group_that_fails_leaves_nothing(folder: Path) -> None:
    """It happens whole or not at all, counters and memory included."""
    stand = Stand(open_sqlite, folder)
    job = new_job("b")
    before = stand.stats()
    with pytest.raises(AttributeError), stand.store.group():
        stand.store.lease(stand.store.submit([job]))  # type: ignore[arg-type]
    assert stand.stats() == before
    with stand.store.group():
        assert stand.store.get([job.id]) == [None]
    assert stand.submit(new_job("b"))[0].status is Status.QUEUED
    stand.store.close()


def test_a_full_disk_passes(folder: Path) -> None:
    """What does not fit is refused whole; what comes when there is room again is taken."""
    store = SqliteStore(folder)
    connection = store._session.connection
    pages = connection.execute("PRAGMA page_count").get
    connection.pragma("max_page_count", pages + 1)
    with pytest.raises(StoreUnavailable, match="Nothing was changed") as full, store.group():
        store.submit([new_job() for _ in range(500)])
    assert not isinstance(full.value, StoreLost)
    connection.pragma("max_page_count", pages + 1000)
    with store.group():
        store.submit([new_job() for _ in range(500)])
        assert store.stats().submitted_total == 501
    store.close()


def test_the_last_of_the_disk_is_kept_for_what_is_there(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nearly full disk refuses new jobs, alone and early; running ones end and are delivered."""
    stand = Stand(open_sqlite, folder)
    stand.submit(job := new_job("a"))
    monkeypatch.setattr("workmill.store.sqlite.disk_room.MIN_FREE_BYTES", 2**62)
    with stand.store.group():
        with pytest.raises(StoreFull, match="Nothing was stored"):
            stand.store.submit([new_job()])
        (lease,) = stand.store.lease(
            LeaseRequest(
                worker="w",
                workloads=("sha512",),
                min_jobs=1,
                max_jobs=1,
                max_cost=0,
                lease_seconds=5,
            )
        )
    assert stand.complete(lease, state_of("a", 100)) is Verdict.APPLIED
    assert job.id in {result.id for result in stand.pull().results}
    monkeypatch.undo()
    assert stand.submit(new_job())[0].status is Status.QUEUED
    stand.store.close()


def steps_of(store: SqliteStore, jobs: int) -> list[int]:
    """How many statements each verb runs for a batch of `jobs`."""
    connection, counts = store._session.connection, []
    seen = 0

    def count(_event: dict[str, object]) -> None:
        nonlocal seen
        seen += 1

    def note() -> None:
        nonlocal seen
        counts.append(seen)
        seen = 0

    connection.trace_v2(apsw.SQLITE_TRACE_STMT, count)
    with store.group():
        note()
        store.submit([new_job(priority=1) for _ in range(jobs)])
        note()
        leases = store.lease(
            LeaseRequest(
                worker="w",
                workloads=("sha512",),
                min_jobs=jobs,
                max_jobs=jobs,
                max_cost=0,
                lease_seconds=9,
            )
        )
        note()
        verdicts = store.complete(
            [Completion(id=one.id, token=one.token, state=b"x" * 64) for one in leases]
        )
        note()
        store.pull(PullRequest(top=jobs))
        note()
    connection.trace_v2(0, None)
    assert len(verdicts) == jobs
    return counts


def test_a_batch_takes_as_few_steps_as_one_job(folder: Path) -> None:
    """Each step hands the interpreter lock over: their number must not grow with the batch."""
    store = SqliteStore(folder)
    steps_of(store, 1)
    assert steps_of(store, 256) == steps_of(store, 1)
    store.close()


def test_no_statement_scans_the_jobs(folder: Path) -> None:
    """Every verb finds its rows by an index, so its cost does not grow with the queue."""
    store = SqliteStore(folder, clock=HandClock())
    connection, texts = store._session.connection, set[str]()
    connection.trace_v2(apsw.SQLITE_TRACE_STMT, lambda event: texts.add(str(event["sql"])))
    with store.group():
        store.submit([new_job("x"), new_job("x")])
        store.stats()
        store.cancel([new_job().id])
    steps_of(store, 4)
    with store.group():
        store.purge(10)
        store.pull(PullRequest(top=1, receipt_seconds=1))
    connection.trace_v2(0, None)
    plans = [
        (row[3], text)
        for text in texts
        if text.lstrip().upper().startswith(("SELECT", "WITH", "UPDATE", "DELETE", "INSERT"))
        for row in connection.execute("EXPLAIN QUERY PLAN " + text, [None] * text.count("?"))
    ]
    assert [plan for plan in plans if plan[0].startswith(("SCAN jobs", "SCAN known"))] == []
    store.close()


def test_the_log_stays_short(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The write-ahead log is copied into the file and used again from its start."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 64)
    store = SqliteStore(folder)
    for _ in range(40):
        with store.group():
            store.submit([new_job() for _ in range(200)])
    written = folder / f"{FILE_NAME}-wal"
    assert written.stat().st_size < 40 * 64 * 4096 / 4
    store.close()


def test_a_value_is_what_was_computed(folder: Path) -> None:
    """Bytes of every kind survive the way through the file."""
    stand = Stand(open_sqlite, folder)
    value = bytes(range(192, 256))
    stand.complete(stand.lease_one(), value)
    assert stand.pull().results[0].state == value != state_of("a", 100)
    stand.store.close()


def test_a_beat_is_not_written(folder: Path) -> None:
    """Who is alive is known for a while and synced never: beats cost the disk nothing."""
    store = SqliteStore(folder)
    with store.group():
        store.lease(
            LeaseRequest(
                worker="w",
                workloads=("sha512",),
                min_jobs=1,
                max_jobs=1,
                max_cost=10,
                lease_seconds=5,
            )
        )
    written = folder / f"{FILE_NAME}-wal"
    size = written.stat().st_size
    assert size > 0
    with store.group():
        store.beat([Node(incarnation="e", role="endpoint", host="h", pid=1, version="0")])
    with store.group():
        assert [node.incarnation for node in store.nodes()] == ["e"]
    assert written.stat().st_size == size
    store.close()
