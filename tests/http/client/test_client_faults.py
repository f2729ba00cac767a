"""Retries against a real endpoint that goes away, or whose replies are lost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.http.client.live import CuttingProxy, Hands, Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient
from workmill.domain.errors import EndpointUnreachable

Make = Callable[..., AsyncClient]
PATIENT_SECONDS = 100.0


@pytest.mark.parametrize("fold_locally", [False, True])
async def test_a_lost_reply_makes_no_second_job(
    make_client: Make, live: Live, fold_locally: bool
) -> None:
    """The submit was carried out but its reply cut off, twice: one job exists, and is named."""
    async with CuttingProxy(live.port, cuts=2) as proxy, make_client(proxy.url) as client:
        handle = await client.submit(b"data", 9, fold_locally=fold_locally)
        assert proxy.cuts == 0
        assert [job.id async for job in client.jobs()] == [handle.id]
        assert (await client.stats()).stats.submitted_total == 1


async def test_lost_replies_to_batches_make_no_second_jobs(make_client: Make, live: Live) -> None:
    """The same for many jobs at once: each exists once, under the id that its handle has."""
    async with CuttingProxy(live.port, cuts=3) as proxy, make_client(proxy.url) as client:
        items = [b"%d" % number for number in range(2500)]
        handles = [handle async for handle in client.submit_many(items, 9)]
        assert proxy.cuts == 0
        assert (await client.stats()).stats.submitted_total == 2500
        assert {job.id async for job in client.jobs()} == {handle.id for handle in handles}


@pytest.mark.usefixtures("hands")
async def test_a_lost_reply_to_an_acknowledgement_delivers_once(
    make_client: Make, live: Live
) -> None:
    """Acknowledging again is harmless, and nothing comes back to be pulled a second time."""
    async with CuttingProxy(live.port, cuts=0) as proxy, make_client(proxy.url) as client:
        handle = await client.submit(b"data", 9)
        await handle.result(PATIENT_SECONDS)
        batch = await client.pull(receipt_seconds=0.05)
        proxy.cuts = 1
        await client.acknowledge(batch)
        assert not await client.pull(wait_seconds=0.2)
        assert (await client.stats()).stats.delivered_total == 1


async def test_a_wait_outlives_a_restart_of_the_service(make_client: Make, live: Live) -> None:
    """The endpoint goes away while a result is waited for, and comes back: nothing is noticed."""
    async with make_client(live.url) as client:
        handle = await client.submit(b"data", 9)
        waiting = asyncio.create_task(handle.result(PATIENT_SECONDS))
        await asyncio.to_thread(live.stop)
        await asyncio.to_thread(live.start)
        with Hands(live.url):
            assert await waiting == advanced(b"data", 9)


async def test_a_living_endpoint_is_found_among_dead_ones(make_client: Make, live: Live) -> None:
    """One URL that answers is enough, wherever in the list it stands."""
    dead = "http://127.0.0.1:1"
    async with make_client([dead, live.url, dead], timeout_seconds=PATIENT_SECONDS) as client:
        assert (await client.submit(b"data", 1)).status == "done"


async def test_a_dead_service_is_told_within_the_callers_patience(make_client: Make) -> None:
    """When nothing answers, the call ends with what to do, and no sooner than it was tried."""
    async with make_client("http://127.0.0.1:1", timeout_seconds=0.2) as client:
        with pytest.raises(EndpointUnreachable, match="Check the URL"):
            await client.stats()
