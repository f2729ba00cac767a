"""Opening a long store: its work is looked up beside the service, and none is computed twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import NewJob, Verdict
from workmill.domain.lifecycle import Status
from workmill.store.sqlite import SqliteStore, content_index, index_filling
from workmill.store.sqlite.content_index import WorkIndex


class Held:
    """The filling of an index, held up until the test lets it go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._go = threading.Event()
        self._store: SqliteStore
        whole = WorkIndex._fill

        def held(table: WorkIndex) -> None:
            assert self._go.wait(20)
            whole(table)

        monkeypatch.setattr(WorkIndex, "_fill", held)
        monkeypatch.setattr(content_index, "FILLED_AT_ONCE", -1)

    def let_go(self, stand: Stand) -> None:
        """Wait until the thread has filled it; the next group takes it over."""
        self._go.set()
        thread = stand.store._session.index._thread  # type: ignore[attr-defined]
        if thread is not None:
            thread.join(20)


def open_directly(directory: Path, clock: Callable[[], int], _bounds: object = None) -> SqliteStore:
    return SqliteStore(directory, clock=clock)


@pytest.fixture
def stand(tmp_path: Path) -> Iterator[Stand]:
    made = Stand(open_directly, tmp_path / "store")
    yield made
    made.store.close()


@pytest.fixture
def held(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    """`stand` holds a known job `k` of 100 and a queued job `q`; then it was opened again."""
    stand.submit(known := new_job("k"))
    stand.finish(known, state_of("k", 100))
    stand.submit(new_job("q", priority=5))
    held = Held(monkeypatch)
    stand.reopen()
    yield held
    held.let_go(stand)


def settle(stand: Stand) -> None:
    """As many groups as it takes to place all."""
    while stand.store.settling:  # type: ignore[attr-defined]
        stand.stats()


def entries_of(stand: Stand) -> int:
    """How much the index holds."""
    return stand.store._session.index.table.execute("SELECT count(*) FROM work").get  # type: ignore[attr-defined, no-any-return]


def test_running_work_is_not_computed_twice(stand: Stand, held: Held) -> None:
    """A job that came before it could be looked up waits for the same work that runs."""
    stand.submit(twin := new_job("q"), new := new_job("n"))
    assert stand.status(twin) is Status.ATTACHED
    (lease,) = stand.lease(10)
    assert lease.total == 100
    held.let_go(stand)
    settle(stand)
    assert [one.id for one in stand.lease(10)] == [new.id]
    assert stand.complete(lease, state_of("q", 100)) is Verdict.APPLIED
    assert stand.job(twin).state == state_of("q", 100)
    assert stand.stats().attached_total == 1


def test_known_work_is_settled(stand: Stand, held: Held) -> None:
    """A finished result is found, and a shorter one is a head start."""
    stand.submit(same := new_job("k"), longer := new_job("k", total=150))
    before = stand.stats()
    held.let_go(stand)
    settle(stand)
    assert stand.job(same).state == state_of("k", 100)
    assert stand.status(same) is Status.DONE
    assert (stand.job(longer).done, stand.job(longer).state) == (100, state_of("k", 100))
    after = stand.stats()
    assert after.known_hits_total - before.known_hits_total == 2
    assert after.backlog_iterations - before.backlog_iterations == 50
    assert {one.id for one in stand.pull().results} >= {same.id}


@pytest.mark.parametrize("begun_by", ["opening", "a restore"])
def test_a_store_that_is_allowed_no_thread_waits_for_its_index(
    stand: Stand, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, begun_by: str
) -> None:
    """At a container's limit on threads it is filled before anything else, and is whole."""

    start = threading.Thread.start

    def no_more(thread: threading.Thread) -> None:
        if thread.name == "index":
            raise RuntimeError("can't start new thread")
        start(thread)  # a restore's own, without which it is refused whole

    stand.submit(known := new_job("k"))
    stand.finish(known, state_of("k", 100))
    monkeypatch.setattr(content_index, "FILLED_AT_ONCE", -1)
    monkeypatch.setattr(threading.Thread, "start", no_more)
    if begun_by == "opening":
        stand.reopen()
    else:
        stand.store.backup(tmp_path / "copy")
        stand.store.restore(tmp_path / "copy")
    stand.submit(same := new_job("k"))
    settle(stand)
    assert stand.status(same) is Status.DONE


def test_twins_that_came_together_are_computed_once(stand: Stand, held: Held) -> None:
    """The eldest is queued and the others wait for it, as urgent as the most urgent of them."""
    first, second, third = (new_job("t", priority=n) for n in (0, 9, 3))
    stand.submit(first, second)
    stand.submit(third)
    held.let_go(stand)
    settle(stand)
    (lease,) = stand.lease(1)
    assert lease.id == first.id
    stand.complete(lease, state_of("t", 100))
    assert {stand.status(one) for one in (first, second, third)} == {Status.DONE}


def test_what_ends_meanwhile_is_forgotten(stand: Stand, held: Held) -> None:
    """A cancelled leader's heir is the one that later jobs find."""
    leader = new_job("c")
    held.let_go(stand)
    stand.submit(leader, heir := new_job("c"))
    stand.reopen()
    stand.cancel(leader)
    stand.submit(late := new_job("c"))
    stand.stats()
    settle(stand)
    assert stand.status(heir) is Status.QUEUED
    assert stand.status(late) is Status.ATTACHED
    assert entries_of(stand) == 3


def test_a_job_that_waits_to_be_looked_up_may_be_cancelled(stand: Stand, held: Held) -> None:
    """It is like any other attached job."""
    stand.submit(job := new_job("x"))
    assert stand.cancel(job) == [Verdict.APPLIED]
    held.let_go(stand)
    settle(stand)
    assert stand.status(job) is Status.CANCELLED


def test_a_store_that_is_closed_before_goes_on_later(stand: Stand, held: Held) -> None:
    """What was not placed is in the file, and the next owner places it."""
    stand.submit(twin := new_job("q"), new := new_job("n"))
    held.let_go(stand)
    stand.reopen()
    settle(stand)
    assert [one.id == new.id for one in stand.lease(10)] == [False, True]
    assert stand.status(twin) is Status.ATTACHED


def test_a_restore_and_a_backup_meanwhile(stand: Stand, held: Held, tmp_path: Path) -> None:
    """A backup holds what is not placed yet; a restore looks everything up anew."""
    stand.submit(twin := new_job("q"))
    stand.store.backup(tmp_path / "copy")
    held.let_go(stand)
    stand.store.restore(tmp_path / "copy")
    thread = stand.store._session.index._thread  # type: ignore[attr-defined]
    thread.join(20)
    settle(stand)
    assert stand.status(twin) is Status.ATTACHED
    assert len(stand.lease(10)) == 1


def test_what_ended_before_a_restore_is_looked_up_after_it(
    stand: Stand, held: Held, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was still to be taken out of the index of the replaced store is nothing of the new."""
    stand.store.backup(tmp_path / "copy")
    assert stand.cancel(stand.lease_one()) == [Verdict.APPLIED]
    stop = WorkIndex.stop

    def let_go_and_stop(filled: WorkIndex) -> None:
        held._go.set()
        stop(filled)

    monkeypatch.setattr(WorkIndex, "stop", let_go_and_stop)
    stand.store.restore(tmp_path / "copy")
    held.let_go(stand)
    settle(stand)
    assert stand.submit(new_job("q"))[0].status is Status.ATTACHED


def test_a_group_that_fails_leaves_no_entry_and_loses_none(stand: Stand) -> None:
    """The index is no part of the file's transaction, and follows it all the same."""
    stand.submit(kept := new_job("a"))

    def half_done() -> None:
        with stand.store.group():
            stand.store.cancel([kept.id])
            stand.store.submit([new_job("b")])
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half_done()
    assert entries_of(stand) == 1
    assert stand.submit(new_job("a"))[0].status is Status.ATTACHED
    assert stand.submit(new_job("b"))[0].status is Status.QUEUED
    assert stand.submit(new_job("a"))[0].status is Status.ATTACHED, "nor by the groups after it"


def steps_of_opening(directory: Path) -> int:
    """How many steps of SQLite's machine it takes to open the store and run one group."""
    steps = 0

    def count() -> bool:
        nonlocal steps
        steps += 1
        return False

    def hook(connection: apsw.Connection) -> None:
        connection.set_progress_handler(count, 1)

    apsw.connection_hooks.append(hook)
    try:
        store = SqliteStore(directory)
    finally:
        apsw.connection_hooks.remove(hook)
    store._session.connection.set_progress_handler(None)
    store._session.index.stop()
    store.close()
    return steps


def test_opening_does_not_grow_with_the_queue(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is done before the store serves is the same for ten jobs and for two thousand."""
    monkeypatch.setattr(content_index, "FILLED_AT_ONCE", -1)
    monkeypatch.setattr(WorkIndex, "_fill", lambda _table: None)
    steps = []
    for name, jobs in (("short", 10), ("long", 2000)):
        made = Stand(open_directly, tmp_path / name)
        made.submit(*(new_job() for _ in range(jobs)))
        made.store.close()
        steps.append(steps_of_opening(tmp_path / name))
    assert steps[1] < steps[0] * 1.2


def test_one_statement_fills_a_bounded_part(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader keeps the log from being used again: no state of the file is held for long."""
    monkeypatch.setattr(content_index, "STEP_SEQS", 10)
    jobs = [new_job(f"d{n}") for n in range(35)]
    stand.submit(*jobs)
    spans: list[tuple[int, int]] = []
    whole = WorkIndex._fill

    def traced(filled: WorkIndex) -> None:
        def note(_cursor: object, text: str, given: Any) -> bool:
            if "BETWEEN ?1 AND ?2" in text:
                spans.append(given)
            return True

        filled.table.exec_trace = note
        whole(filled)
        filled.table.exec_trace = None

    monkeypatch.setattr(WorkIndex, "_fill", traced)
    stand.reopen()
    assert len(spans) == 4
    assert all(last - first < 10 for first, last in spans)
    table = stand.store._session.index.table  # type: ignore[attr-defined]
    assert table.execute("SELECT count(*) FROM work").get == 35
    again: list[NewJob] = [new_job(f"d{n}") for n in range(35)]
    assert {reply.status for reply in stand.submit(*again)} == {Status.ATTACHED}


def test_a_group_places_a_bounded_number(stand: Stand, held: Held) -> None:
    """Nobody's call waits for all of them."""
    stand.submit(*(new_job() for _ in range(index_filling.PLACED_JOBS + 100)))
    held.let_go(stand)
    assert [stand.stats().jobs[Status.ATTACHED] for _ in range(2)] == [100, 0]


def test_half_an_index_is_never_looked_at(stand: Stand, monkeypatch: pytest.MonkeyPatch) -> None:
    """What keeps its thread from reading the file is told once, and the filling begins anew."""
    stand.submit(new_job("q"))
    whole, failures = WorkIndex._fill, [apsw.CantOpenError("no descriptors")]

    def fails_once(table: WorkIndex) -> None:
        if failures:
            raise failures.pop()
        whole(table)

    monkeypatch.setattr(WorkIndex, "_fill", fails_once)
    monkeypatch.setattr(content_index, "FILLED_AT_ONCE", -1)
    stand.reopen()
    thread = stand.store._session.index._thread  # type: ignore[attr-defined]
    thread.join(20)
    with pytest.raises(StoreUnavailable, match="no descriptors"):
        stand.stats()
    stand.submit(twin := new_job("q"))
    settle(stand)
    assert stand.status(twin) is Status.ATTACHED
    assert entries_of(stand) == 1
