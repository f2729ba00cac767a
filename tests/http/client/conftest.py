"""Both clients behind one face, so that every test body is written once and run for both."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Self, cast

import httpx
import pytest
from tests.http.client.live import Hands, Live

from workmill.client import AsyncClient, Client, Handle
from workmill.client.async_transport import AsyncTransport
from workmill.client.sync_transport import Transport

Network = Callable[[httpx.Request], httpx.Response]


class Awaited:
    """An object of the blocking client whose methods are awaited; each runs in a thread."""

    def __init__(self, blocking: object) -> None:
        self.blocking = blocking

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.blocking, name)
        if inspect.isgeneratorfunction(found):
            return partial(self._iterate, found)
        return partial(self._call, found) if callable(found) else found

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_error: object) -> None:
        await self.close()

    async def _call(self, method: Callable[..., Any], *given: Any, **named: Any) -> Any:
        given = tuple(_bare(value) for value in given)
        return _dressed(await asyncio.to_thread(method, *given, **named))

    async def _iterate(
        self, method: Callable[..., Any], *given: Any, **named: Any
    ) -> AsyncIterator[Any]:
        items = method(*given, **named)
        end = object()
        try:
            while (item := await asyncio.to_thread(next, items, end)) is not end:
                yield _dressed(item)
        finally:
            await asyncio.to_thread(items.close)


def _dressed(value: Any) -> Any:
    return Awaited(value) if isinstance(value, Handle) else value


def _bare(value: Any) -> Any:
    if isinstance(value, list):
        return [_bare(item) for item in value]
    return value.blocking if isinstance(value, Awaited) else value


@pytest.fixture(params=["blocking", "awaiting"])
def flavour(request: pytest.FixtureRequest) -> str:
    """Which of the twins the test runs for."""
    return str(request.param)


@pytest.fixture
def make_transport(flavour: str) -> Callable[..., AsyncTransport]:
    """Makes the transport under test, over a network that is one function when one is given."""

    def make(urls: str | list[str], network: Network | None = None) -> AsyncTransport:
        through = httpx.MockTransport(network) if network else None
        if flavour == "awaiting":
            return AsyncTransport(urls, through=through)
        return cast(AsyncTransport, Awaited(Transport(urls, through=through)))

    return make


@pytest.fixture
def make_client(flavour: str) -> Callable[..., AsyncClient]:
    """Makes the client under test."""

    def make(url: str | list[str], **named: Any) -> AsyncClient:
        if flavour == "awaiting":
            return AsyncClient(url, **named)
        return cast(AsyncClient, Awaited(Client(url, **named)))

    return make


@pytest.fixture
def live(tmp_path: Path) -> Iterator[Live]:
    """A running endpoint with an empty store."""
    service = Live(tmp_path / "store")
    yield service
    service.stop()


@pytest.fixture
def hands(live: Live) -> Iterator[Hands]:
    """Something that computes what is submitted to `live`."""
    with Hands(live.url) as hands:
        yield hands
