"""A store that says nothing: whoever waits for it is told so, and nothing is kept from others."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path

import pytest
from msgspec.structs import replace
from tests.http.endpoint.test_committer import Bench, _job

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import LeaseRequest, PullRequest, Query
from workmill.domain.lifecycle import Status
from workmill.endpoint import committer


@pytest.fixture
async def bench(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Bench]:
    """Calls are overdue at once."""
    monkeypatch.setattr(committer, "OVERDUE_SECONDS", 0.0)
    monkeypatch.setattr(committer, "LOOK_SECONDS", 0.01)
    bench = Bench(tmp_path)
    await bench.committer.open()
    yield bench
    await bench.committer.close()


async def refused(bench: Bench, *calls: asyncio.Future[object]) -> None:
    """All of them are told, while the store is still silent."""
    teller = asyncio.ensure_future(bench.committer.tell_overdue())
    for answer in await asyncio.gather(*calls, return_exceptions=True):
        assert isinstance(answer, StoreUnavailable)
        assert "has not answered" in answer.detail
        assert answer.retry_after_seconds
    teller.cancel()
    bench.store.open.set()


async def held(bench: Bench, call: Awaitable[object]) -> asyncio.Future[object]:
    """This call, once it is with a store that says nothing."""
    bench.store.open.clear()
    bench.store.held.clear()
    begun: asyncio.Future[object] = asyncio.ensure_future(call)
    await asyncio.to_thread(bench.store.held.wait, 20)
    return begun


async def test_all_who_wait_are_told(bench: Bench) -> None:
    """Those whose group is with the store, and those behind them, whose calls are not made."""
    first = await held(bench, bench.committer.submit((_job(0),)))
    others = (
        bench.committer.get((b"i" * 16,)),
        bench.committer.find(Query()),
        bench.committer.submit((_job(1),)),
    )
    await refused(bench, first, *map(asyncio.ensure_future, others))
    assert (await bench.committer.stats()).submitted_total == 1


async def test_results_that_nobody_heard_of_are_there_for_others(bench: Bench) -> None:
    """They are not kept until the receipt lapses, for nobody has it."""
    await bench.committer.submit((replace(_job(0), total=1),))
    request = PullRequest(top=5, receipt_seconds=3600)
    await refused(bench, await held(bench, bench.committer.pull(request)))
    await bench.committer.stats()  # the group that the first pull had come into
    assert len((await bench.committer.pull(request)).results) == 1


async def test_leases_that_nobody_heard_of_are_handed_back(bench: Bench) -> None:
    """And no attempt is counted."""
    await bench.committer.submit((_job(0),))
    request = LeaseRequest(
        worker="w", workloads=("sha512",), min_jobs=1, max_jobs=1, max_cost=0, lease_seconds=3600
    )
    await refused(bench, await held(bench, bench.committer.lease(request)))
    await bench.committer.stats()
    (lease,) = await bench.committer.lease(request)
    assert lease.attempts == 1
    assert (await bench.committer.stats()).jobs[Status.LEASED] == 1
