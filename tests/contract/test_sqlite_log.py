"""The log of the embedded store: what happens to it after COMMIT is nobody's failure."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.sick_disk import SickDisk
from tests.contract.store_drivers import Stand

from workmill.domain.errors import StoreFull, StoreUnavailable
from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status
from workmill.store.sqlite import SqliteStore, write_ahead_log
from workmill.store.sqlite.ownership import FILE_NAME, LOG_SUFFIX

Events = list[tuple[str, dict[str, object]]]


@pytest.fixture
def events(monkeypatch: pytest.MonkeyPatch) -> Events:
    """What the log has said."""
    said: Events = []
    monkeypatch.setattr(
        write_ahead_log, "emit", lambda event, **fields: said.append((event, fields))
    )
    return said


@pytest.fixture
def now(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Seconds of a monotonic clock that only the test moves."""
    seconds = [1000.0]
    monkeypatch.setattr("workmill.store.sqlite.write_ahead_log.time.monotonic", lambda: seconds[0])
    return seconds


@pytest.fixture
def stand(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, disk: SickDisk) -> Iterator[Stand]:
    """A store that copies its log with every group."""
    assert disk.full == ""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 1)
    made = Stand(lambda directory, *_: SqliteStore(directory), tmp_path / "store")
    yield made
    disk.full = ""
    made.store.close()


VERBS: dict[str, Callable[[Stand], object]] = {
    "submit": lambda stand: stand.submit(new_job())[0].created,
    "lease": lambda stand: bool(stand.lease(1)),
    "complete": lambda stand: stand.complete(stand.lease_one(), state_of("x", 1)),
    "pull": lambda stand: bool(stand.pull(1).results),
    "cancel": lambda stand: stand.cancel(new_job())[0],
}


@pytest.mark.parametrize("verb", VERBS)
def test_a_log_that_cannot_be_copied_fails_no_group(
    stand: Stand, disk: SickDisk, events: Events, verb: str
) -> None:
    """The change is in the log and synced: whoever asked for it gets the answer."""
    stand.submit(done := new_job(total=1), new_job("x"))
    disk.full = FILE_NAME
    assert VERBS[verb](stand)
    stand.lease(1)
    assert {event for event, _ in events} == {"store.log_not_copied"}
    disk.full = ""
    assert stand.status(done) in (Status.DONE, Status.DELIVERED)


class Counting:
    """The connection of a store's log: how often it was asked to copy. `busy`: another process
    is copying."""

    def __init__(self, store: Any) -> None:
        self.tries = 0
        self.busy = False
        self._connection = store._session.connection
        store._log._connection = self

    def wal_checkpoint(self, mode: int) -> tuple[int, int]:
        self.tries += 1
        if self.busy:
            raise apsw.BusyError("database is locked")
        return self._connection.wal_checkpoint(mode=mode)  # type: ignore[no-any-return]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


def test_copying_is_tried_again_with_growing_pauses(
    stand: Stand,
    disk: SickDisk,
    events: Events,
    now: list[float],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Told once, and once more when it worked; not with every group meanwhile."""
    counting = Counting(stand.store)
    disk.full = FILE_NAME
    for _ in range(5):
        stand.submit(new_job())
    assert counting.tries == 1
    for _ in range(4):
        now[0] += write_ahead_log.RETRY_SECONDS
        stand.submit(new_job())
    assert counting.tries == 3
    for tries in range(3, 13):
        assert counting.tries == tries
        now[0] += write_ahead_log.MAX_RETRY_SECONDS
        stand.submit(new_job())
    disk.full = ""
    now[0] += write_ahead_log.MAX_RETRY_SECONDS
    stand.submit(new_job())
    assert [event for event, _ in events] == ["store.log_not_copied", "store.log_copied"]
    monkeypatch.undo()


@pytest.mark.parametrize("busy", [False, True], ids=["a reader", "another copies"])
def test_who_is_in_the_way_is_waited_for_without_a_word(
    stand: Stand, events: Events, now: list[float], *, tmp_path: Path, busy: bool
) -> None:
    """A log that could be copied in part, or not now, is no fault; and no group pays for trying
    each time."""
    counting = Counting(stand.store)
    counting.busy = busy
    path = tmp_path / "store" / FILE_NAME
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM jobs").fetchall()
        for _ in range(5):
            stand.submit(new_job())
        assert counting.tries == 1
    counting.busy = False
    now[0] += write_ahead_log.RETRY_SECONDS
    stand.submit(new_job())
    assert stand.store._log._pages == 0  # type: ignore[attr-defined]
    assert events == []


def test_a_log_that_only_grows_takes_in_nothing_new(
    stand: Stand, disk: SickDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a bound new jobs are refused; what is there is finished and fetched."""
    stand.submit(new_job("x"))
    disk.full = FILE_NAME
    stand.submit(new_job())
    monkeypatch.setattr(write_ahead_log, "MAX_PAGES", 1)
    with pytest.raises(StoreFull, match="Nothing was stored"):
        stand.submit(new_job())
    assert stand.complete(stand.lease_one(), state_of("x", 100)) is Verdict.APPLIED
    assert len(stand.pull().results) == 1


def test_a_log_without_room_refuses_and_says_the_truth(stand: Stand, disk: SickDisk) -> None:
    """Nothing was changed, the folder is named, and the next group may pass."""
    before = stand.stats()
    disk.full = LOG_SUFFIX
    with pytest.raises(StoreUnavailable, match=r"disk under .*store is full.*Nothing was changed"):
        stand.submit(new_job())
    assert stand.stats() == before
    disk.full = ""
    assert stand.submit(new_job())[0].created


def test_a_log_that_a_reader_has_made_long_gives_its_room_back(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, now: list[float], tmp_path: Path
) -> None:
    """Another process reads one state of the file for long; when it has gone, the log is cut."""
    monkeypatch.setattr(write_ahead_log, "CHECKPOINT_PAGES", 8)
    path = tmp_path / "store" / FILE_NAME
    written = path.with_name(FILE_NAME + LOG_SUFFIX)
    with closing(apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)) as reader:
        reader.execute("BEGIN; SELECT count(*) FROM jobs").fetchall()
        for _ in range(40):
            stand.submit(*(new_job() for _ in range(50)))
            now[0] += write_ahead_log.RETRY_SECONDS
        grown = written.stat().st_size
    for _ in range(2):
        now[0] += write_ahead_log.RETRY_SECONDS
        stand.submit(new_job())
    assert written.stat().st_size < grown / 4
    assert stand.stats().submitted_total == 2002
