"""A captive portal in the middle of long work: pages with status 200 in place of answers."""

from __future__ import annotations

from collections.abc import Callable
from itertools import count

import httpx
import pytest
from tests.http.client.liars import says, serving, whole
from tests.http.client.live import Live
from tests.system.service_definition import advanced

from workmill.client import AsyncClient
from workmill.client.connection_pools import AsyncNetwork, Network

Make = Callable[..., AsyncClient]
PAGE = b"<html>please log in</html>"
WAIT_SECONDS = 60.0


@pytest.fixture
def portal(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Two of three answers are the portal's, after the request was carried out or before."""
    asked: list[str] = []
    numbers = count()
    blocking, awaiting = Network.handle_request, AsyncNetwork.handle_async_request

    def page() -> httpx.Response:
        return httpx.Response(200, headers={"content-type": "text/html"}, content=PAGE)

    def answer(network: Network, request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        turn = next(numbers) % 3
        if turn == 0:
            return page()
        reply = blocking(network, request)
        if turn == 1:
            assert isinstance(reply.stream, httpx.SyncByteStream)
            list(reply.stream)
            reply.stream.close()
            return page()
        return reply

    async def answered(network: AsyncNetwork, request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        turn = next(numbers) % 3
        if turn == 0:
            return page()
        reply = await awaiting(network, request)
        if turn == 1:
            assert isinstance(reply.stream, httpx.AsyncByteStream)
            async for _ in reply.stream:
                pass
            await reply.stream.aclose()
            return page()
        return reply

    monkeypatch.setattr(Network, "handle_request", answer)
    monkeypatch.setattr(AsyncNetwork, "handle_async_request", answered)
    return asked


async def test_a_stream_of_submits_and_its_values_outlast_it(
    live: Live, make_client: Make, portal: list[str]
) -> None:
    """No job is lost, none comes twice, and every value is right."""
    async with make_client(live.url) as client:
        handles = [one async for one in client.submit_many((b"%d" % n for n in range(2500)), 1)]
        assert [one.problem for one in handles] == [None] * 2500
        assert len({one.id for one in handles}) == 2500
        jobs = (await client.stats()).stats.jobs
    assert sum(jobs.values()) == 2500
    assert len(portal) > 9


@pytest.mark.usefixtures("hands")
async def test_an_address_that_is_a_portal_is_left_for_another(
    live: Live, make_client: Make
) -> None:
    """Of several endpoints, the one that gives pages is asked last."""
    with serving(says(whole(PAGE))) as page:
        async with make_client([page, live.url]) as client:
            handle = await client.submit(b"data", 5)
            assert await handle.result(WAIT_SECONDS) == advanced(b"data", 5)
