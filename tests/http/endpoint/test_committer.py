"""The writer thread: what arrives together commits together, and one bad call harms no other."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.http.endpoint.conftest import Gated

from workmill.domain.errors import (
    StoreFull,
    StoreLost,
    StorePartlyUnavailable,
    StoreUnavailable,
    Unavailable,
    WorkmillError,
)
from workmill.domain.ids import new_id
from workmill.domain.job import (
    DEFAULT_TENANT,
    LeaseRequest,
    NewJob,
    Node,
    Pulled,
    PullRequest,
    Query,
    Stats,
    Submitted,
    content_key,
)
from workmill.domain.lifecycle import Status
from workmill.endpoint import commit_group
from workmill.endpoint.committer import Committer
from workmill.store.sqlite import SqliteStore


class Bench:
    """A committer over a real store, and the sizes of the groups it has made."""

    def __init__(self, directory: Path) -> None:
        self.store: Gated
        self.groups: list[int] = []
        self._directory = directory
        self.committer = Committer(
            self._open,
            max_pending_jobs=100,
            on_group=lambda jobs, _seconds: self.groups.append(jobs),
            on_lost=lambda: None,
        )

    def _open(self) -> Gated:
        self.store = Gated(SqliteStore(self._directory))
        return self.store


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path)
    await bench.committer.open()
    yield bench
    await bench.committer.close()


def _job(number: int) -> NewJob:
    state = number.to_bytes(64, "big")
    key = content_key(DEFAULT_TENANT, "sha512", state)
    return NewJob(id=new_id(), workload="sha512", key=key, total=5, state=state)


async def test_what_arrives_in_one_turn_is_one_group(bench: Bench) -> None:
    """Fifty callers, one commit; each gets the answer to its own job."""
    jobs = [_job(number) for number in range(50)]
    answers = await asyncio.gather(*(bench.committer.submit((job,)) for job in jobs))
    submitted = [one for answer in answers for one in answer if isinstance(one, Submitted)]
    assert [one.id for one in submitted] == [job.id for job in jobs]
    assert bench.groups == [50]


async def test_what_arrives_during_a_commit_is_the_next_group(bench: Bench) -> None:
    """Nobody waits for a commit longer than one before and its own."""
    bench.store.open.clear()
    first = asyncio.ensure_future(bench.committer.submit((_job(0),)))
    await asyncio.to_thread(bench.store.held.wait, 20)
    later = [bench.committer.submit((_job(number),)) for number in range(1, 30)]
    bench.store.open.set()
    await asyncio.gather(first, *later)
    assert bench.groups == [1, 29]


async def test_one_guilty_call_does_not_take_its_group_along(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The group is rolled back and run one by one: only the bad call fails."""

    def broken(_query: Query) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(bench.store, "find", broken, raising=False)
    jobs = [_job(number) for number in range(3)]
    *good, bad = await asyncio.gather(
        *(bench.committer.submit((job,)) for job in jobs),
        bench.committer.find(Query()),
        return_exceptions=True,
    )
    assert isinstance(bad, WorkmillError)
    assert not any(isinstance(answer, BaseException) for answer in good)
    assert None not in await bench.committer.get([job.id for job in jobs])


async def test_a_group_that_is_not_confirmed_fails_for_all_in_it(bench: Bench) -> None:
    """Its outcome is unknown to everybody, and nothing of it is tried again behind their backs."""
    bench.store.error = StoreUnavailable("no answer")
    answers = await asyncio.gather(
        *(bench.committer.submit((_job(number),)) for number in range(3)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [StoreUnavailable] * 3
    assert bench.groups == [3]
    bench.store.error = None


async def test_a_call_that_was_given_up_is_not_carried_out(bench: Bench) -> None:
    """Whoever stops waiting before the group began has changed nothing."""
    bench.store.open.clear()
    first = asyncio.ensure_future(bench.committer.submit((_job(0),)))
    await asyncio.to_thread(bench.store.held.wait, 20)
    given_up = asyncio.ensure_future(bench.committer.submit((_job(1),)))
    given_up.cancel()
    bench.store.open.set()
    await first
    assert (await bench.committer.stats()).submitted_total == 1


async def test_reads_see_the_writes_of_their_own_group(bench: Bench) -> None:
    """And both are durable when they are answered."""
    job = _job(0)
    found, _ = await asyncio.gather(bench.committer.get([job.id]), bench.committer.submit((job,)))
    assert found[0] is not None


async def test_a_restore_makes_a_group_of_its_own(bench: Bench, tmp_path: Path) -> None:
    """Calls before it and after it are not mixed with it."""
    job = _job(0)
    await bench.committer.submit((job,))
    copy = tmp_path / "copy"
    await bench.committer.backup(copy)
    later = _job(1)
    await asyncio.gather(
        bench.committer.submit((later,)),
        bench.committer.restore(copy),
        bench.committer.submit((_job(2),)),
    )
    assert [one is not None for one in await bench.committer.get([job.id, later.id])] == [
        True,
        False,
    ]


async def test_a_restore_that_is_refused_is_no_outage(
    bench: Bench,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Its caller is told: another one is under way, or a part is away. Everything else goes on, and
    no balancer leaves this endpoint for it."""

    def refuse(_store: Gated, _file: Path) -> None:
        raise StoreUnavailable("another one is under way")

    await bench.committer.probe()
    monkeypatch.setattr(Gated, "restore", refuse, raising=False)
    with pytest.raises(StoreUnavailable):
        await bench.committer.restore(tmp_path / "copy")
    assert bench.committer.proofs.problem is None
    assert b"store.unavailable" not in capfdbinary.readouterr().err


async def test_a_full_store_still_takes_what_makes_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the submits of the group are refused; its other calls are answered and durable."""

    def full(_store: Gated, _jobs: object) -> None:
        raise StoreFull("full")

    monkeypatch.setattr(Gated, "submit", full, raising=False)
    refused, counted = await asyncio.gather(
        bench.committer.submit((_job(0),)), bench.committer.stats(), return_exceptions=True
    )
    assert isinstance(refused, StoreFull)
    assert isinstance(counted, Stats)
    assert counted.submitted_total == 0


async def test_a_call_that_is_refused_memory_may_be_repeated(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is told as a shortage, which clients wait out, and the others of its group go on."""

    def short(_store: Gated) -> Stats:
        raise MemoryError

    monkeypatch.setattr(Gated, "stats", short, raising=False)
    refused, submitted = await asyncio.gather(
        bench.committer.stats(), bench.committer.submit((_job(0),)), return_exceptions=True
    )
    assert isinstance(refused, Unavailable)
    assert "not enough memory" in refused.detail
    assert not isinstance(submitted, BaseException)


ONE_LEASE = LeaseRequest(
    worker="w", workloads=("sha512",), min_jobs=1, max_jobs=1, max_cost=0, lease_seconds=60
)
_whole = Gated.group


@contextmanager
def unconfirmed(store: Gated) -> Iterator[None]:
    """A group that is carried out, and of which that is not known."""
    with _whole(store):
        yield
    raise StoreUnavailable("done, and not confirmed")


async def test_a_lease_that_nobody_heard_of_costs_no_attempt(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was granted, and the commit could not be confirmed: once the store answers again the job
    is handed back, as often as that happens."""
    job = _job(0)
    await bench.committer.submit((job,))
    for _ in range(6):
        with monkeypatch.context() as broken:
            broken.setattr(Gated, "group", unconfirmed)
            with pytest.raises(StoreUnavailable):
                await bench.committer.lease(ONE_LEASE)
        await bench.committer.stats()
        (found,) = await bench.committer.get([job.id])
        assert found is not None
        assert (found.status, found.attempts) == (Status.QUEUED, 0)


async def test_what_could_not_be_handed_back_is_handed_back_later(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was away for that, too. What it can never take back harms nobody's call."""
    job = _job(0)
    await bench.committer.submit((job,))

    async def status(error: Exception | None) -> Status:
        """Of the job after a group beside which the handing back fails so."""

        def fails(_store: Gated, _words: object) -> None:
            assert error is not None
            raise error

        with monkeypatch.context() as broken:
            if error is not None:
                broken.setattr(Gated, "release", fails, raising=False)
            await bench.committer.stats()
            await bench.committer.stats()
        (found,) = await bench.committer.get([job.id])
        assert found is not None
        return found.status

    with monkeypatch.context() as broken:
        broken.setattr(Gated, "group", unconfirmed)
        with pytest.raises(StoreUnavailable):
            await bench.committer.lease(ONE_LEASE)
    assert await status(StoreUnavailable("away")) is Status.LEASED
    assert await status(None) is Status.QUEUED
    with monkeypatch.context() as broken:
        broken.setattr(Gated, "group", unconfirmed)
        with pytest.raises(StoreUnavailable):
            await bench.committer.lease(ONE_LEASE)
    assert await status(LookupError("never")) is Status.LEASED


async def test_groups_are_bounded_and_what_was_answered_makes_room(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many come in one turn; and over time far more are taken than may wait at once."""
    monkeypatch.setattr("workmill.endpoint.committer.MAX_GROUP_JOBS", 10)
    for turn in range(4):
        jobs = [_job(50 * turn + number) for number in range(50)]
        await asyncio.gather(*(bench.committer.submit((job,)) for job in jobs))
    assert bench.groups == [10] * 20


async def test_a_probe_stands_alone(bench: Bench) -> None:
    """Its failure says something of the store, and fails nobody's call."""
    await asyncio.gather(
        bench.committer.submit((_job(0),)), bench.committer.probe(), bench.committer.stats()
    )
    assert len(bench.groups) == 3


async def test_a_beat_of_its_own_takes_nobody_with_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls of one moment share a group and its failure; a beat that stands alone does not."""

    def unconfirmed(_store: Gated, _nodes: object) -> None:
        raise StoreUnavailable("not confirmed")

    monkeypatch.setattr(Gated, "beat", unconfirmed, raising=False)
    me = Node(incarnation="e", role="endpoint", host="h", pid=1, version="0")
    before, beaten, after = await asyncio.gather(
        bench.committer.stats(),
        bench.committer.beat_alone(me),
        bench.committer.nodes(),
        return_exceptions=True,
    )
    assert isinstance(before, Stats)
    assert isinstance(beaten, StoreUnavailable)
    assert after == []


async def test_an_answer_that_is_lost_after_the_commit_is_not_made_again(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pull that was committed must not run a second time: its results would go to nobody."""
    done = NewJob(id=new_id(), workload="sha512", key=bytes(32), total=1, state=bytes(64))
    await bench.committer.submit((done,))
    whole = commit_group._kept

    def broken(answer: object, partly: StorePartlyUnavailable | None) -> object:
        if isinstance(answer, Pulled):
            raise ZeroDivisionError
        return whole(answer, partly)

    with monkeypatch.context() as patched:
        patched.setattr(commit_group, "_kept", broken)
        pulled, stats = await asyncio.gather(
            bench.committer.pull(PullRequest(top=1, receipt_seconds=60)),
            bench.committer.stats(),
            return_exceptions=True,
        )
    assert isinstance(pulled, StoreUnavailable)
    assert "was stored" in pulled.detail
    assert isinstance(stats, Stats)
    assert bench.groups == [1, 2]


async def test_no_call_waits_for_a_committer_that_failed(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever breaks in the thread is told to those whose calls it had, and the thread goes on
    until the endpoint has ended."""

    def broken(*_given: object) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as patched:
        patched.setattr(bench.committer, "_commit", broken)
        with pytest.raises(StoreLost, match="not known"):
            await bench.committer.stats()
    assert isinstance(await bench.committer.stats(), Stats)


async def test_an_outage_is_logged_once(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its end, though other verbs succeed all the while; and the next one again."""
    events: list[str] = []
    monkeypatch.setattr(
        "workmill.telemetry.outage_log.emit", lambda event, **_: events.append(event)
    )

    def away(_store: Gated) -> None:
        raise StoreUnavailable("away")

    for _ in range(2):
        with monkeypatch.context() as broken:
            broken.setattr(Gated, "nodes", away, raising=False)
            for _ in range(3):
                with pytest.raises(StoreUnavailable):
                    await bench.committer.nodes()
        assert isinstance(await bench.committer.stats(), Stats)  # this one works all the while
        await bench.committer.nodes()
    assert events == ["store.unavailable", "store.available", "store.unavailable"]
