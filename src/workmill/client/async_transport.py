"""The way to reach an endpoint that awaits: `transport` again, for one event loop of asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from workmill.client.addresses import Addresses
from workmill.client.core import Reply, Request, Steps
from workmill.client.download import Download
from workmill.client.edge import (
    CHUNK_BYTES,
    NO_CONNECTION,
    built,
    headers_of,
    noted,
    reply_of,
    settings,
    unreachable,
)
from workmill.client.reading import Heard
from workmill.domain.errors import EndpointUnreachable

T = TypeVar("T")


class AsyncTransport:
    """Carries requests over the pooled connections of one event loop; promises what `Transport`
    promises."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        key: str | None = None,
        through: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`through` replaces the network. Raises InvalidInput for a URL that is none."""
        self._addresses = Addresses(urls)
        self._headers = headers_of(key)
        self._http = through or httpx.AsyncHTTPTransport(**settings(self._addresses))

    async def send(self, request: Request) -> Reply:
        """Send once, to the first endpoint that takes a connection. Any status is a reply."""
        failure: httpx.RequestError | None = None
        for url in self._addresses.in_turn():
            try:
                return noted(await self._exchange(url, request), url, self._addresses)
            except httpx.RequestError as error:
                self._addresses.avoid(url)
                failure = error
                if not isinstance(error, NO_CONNECTION):
                    break
        raise unreachable(failure) from failure

    async def run(self, steps: Steps[T]) -> T:
        """Carry an operation to its end and return its value."""
        try:
            request = next(steps)
            while True:
                if request.delay_seconds:
                    await asyncio.sleep(request.delay_seconds)
                try:
                    reply = await self.send(request)
                except EndpointUnreachable as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(reply)
        except StopIteration as stop:
            value: T = stop.value
            return value

    async def _exchange(self, url: str, request: Request) -> Reply:
        content = request.content
        body = _chunks(content, request.heard) if isinstance(content, Path) else content
        incoming = await self._http.handle_async_request(built(url, request, self._headers, body))
        try:
            if request.into is None or not incoming.is_success:
                await incoming.aread()
                return reply_of(incoming)
            with Download(request.into) as download:
                async for chunk in incoming.aiter_bytes(CHUNK_BYTES):
                    await asyncio.to_thread(download.write, chunk)
            return Reply(incoming.status_code, b"", incoming.headers)
        finally:
            await incoming.aclose()

    async def close(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def _chunks(path: Path, heard: Heard) -> AsyncIterator[bytes]:
    done_bytes = 0
    with path.open("rb") as file:
        while chunk := await asyncio.to_thread(file.read, CHUNK_BYTES):
            yield chunk
            done_bytes += len(chunk)
            heard(done_bytes)
