"""The way to reach an endpoint that awaits: `sync_transport` again, for event loops of asyncio.

Connections belong to the loop that opened them. So there is a network for each loop that the client
is awaited in, and a forked child, whose loops are others, has none of its parent's.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import suppress
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar, cast

import httpx

from workmill.client import forks
from workmill.client.addresses import Addresses
from workmill.client.background_tasks import aside
from workmill.client.caller_exceptions import callers_own
from workmill.client.connection_pools import MOST_CALLS, AsyncNetwork
from workmill.client.download import Download
from workmill.client.httpx_adapter import (
    LONGEST_SECONDS,
    NO_CONNECTION,
    Reading,
    all_busy,
    built,
    closed,
    context_for,
    headers_of,
    is_callers,
    is_for_file,
    noted,
    too_slow,
    translated,
    whole_copy,
)
from workmill.client.preloading import import_what_awaits
from workmill.client.steps import Reply, Request, Steps
from workmill.client.upload import Body, Source
from workmill.domain.errors import InvalidInput
from workmill.domain.pace import Pace

T = TypeVar("T")

_left_alone: Final[list[object]] = []
"""What a forked child has of its parent's loops. To close it would end it for the parent, too."""


class AsyncTransport:
    """Carries requests over pooled connections; promises what `Transport` promises."""

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        key: str | None = None,
        through: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        """`through` replaces the network. Raises InvalidInput for a URL that is none, and for a
        key that cannot be one."""
        self._addresses = Addresses(urls)
        self._headers = headers_of(key)
        self._through = through
        self._context = context_for(self._addresses)
        self._networks: dict[asyncio.AbstractEventLoop, AsyncNetwork] = {}
        self._closed = False
        import_what_awaits()
        forks.watch(self)

    def after_fork(self) -> None:
        """In a child: connections of its own, in loops of its own."""
        _left_alone.append(self._networks)
        self._networks = {}

    async def send(self, request: Request) -> Reply:
        """Send once, to the first endpoint that takes a connection. Any status is a reply."""
        network = self._network()
        self._addresses.avoid(request.not_first)
        await _turn(network, request)
        source, body = request.source(), None
        try:
            body = None if source is None else await _begun(source)
            return await self._send(network, request, body)
        finally:
            network.turns.release()
            if source is not None and body is not None:
                source.end(body)

    def check(self) -> None:
        """Raises InvalidInput where nothing can be sent: closed, or no loop of asyncio runs."""
        self._network()

    def _network(self) -> AsyncNetwork:
        """The connections of the running loop; those of loops that ended are forgotten."""
        if self._closed:
            raise closed()
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            raise InvalidInput(
                "An AsyncClient is awaited in a running event loop of asyncio. Nothing was sent."
            ) from None
        found = self._networks.get(loop)
        if found is None:
            for other in list(self._networks):
                if other.is_closed():
                    self._networks.pop(other, None)
            found = self._networks[loop] = AsyncNetwork(self._context)
        return found

    async def _send(self, network: AsyncNetwork, request: Request, body: Body | None) -> Reply:
        failure: Exception | None = None
        connecting = Pace(request.timeout_seconds)
        for url in self._addresses.in_turn():
            if failure is not None and connecting.left() <= 0.0:
                break
            try:
                reply = await self._exchange(network, url, request, body)
                return noted(reply, url, self._addresses)
            except Exception as error:
                if is_callers(error, request, body):
                    raise
                failure = error
            self._addresses.avoid(url)
            if not isinstance(failure, NO_CONNECTION) or callers_own(failure) is not None:
                break
        raise translated(failure)

    async def _exchange(
        self, network: AsyncNetwork, url: str, request: Request, body: Body | None
    ) -> Reply:
        through = self._through or network
        clock = _Clock(request.timeout_seconds)
        content = request.content if body is None else _chunks(body, clock)
        length = None if body is None else body.length
        try:
            async with clock.timeout:
                answer = await through.handle_async_request(
                    built(url, request, self._headers, content, length)
                )
                try:
                    return await _read(answer, request, clock)
                finally:
                    await answer.aclose()
        except TimeoutError as error:
            if clock.timeout.expired():
                raise too_slow() from error
            raise

    async def run(self, steps: Steps[T]) -> T:
        """Carry an operation to its end and return its value."""
        try:
            request = next(steps)
            while True:
                if request.delay_seconds:
                    await asyncio.sleep(request.delay_seconds)
                try:
                    reply = await self.send(request)
                except Exception as error:  # noqa: BLE001  the steps judge it
                    request = steps.throw(error)
                else:
                    request = steps.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    async def close(self) -> None:
        """Close every connection of this loop; those of others go with their loops.

        A child forked inside a loop runs on without one: asyncio knows the process it began in.
        """
        self._closed = True
        network = None
        with suppress(RuntimeError):
            network = self._networks.pop(asyncio.get_running_loop(), None)
        self._networks.clear()
        if network is not None:
            await network.aclose()
        if self._through is not None:
            await self._through.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()


async def _turn(network: AsyncNetwork, request: Request) -> None:
    if not network.turns.locked():
        await network.turns.acquire()
        return
    try:
        async with asyncio.timeout(min(request.timeout_seconds, LONGEST_SECONDS)):
            await network.turns.acquire()
    except TimeoutError:
        raise all_busy(MOST_CALLS) from None


class _Clock:
    """A time-out of asyncio that is put off as bodies move."""

    def __init__(self, silence_seconds: float) -> None:
        self._now = asyncio.get_running_loop().time
        self._pace = Pace(min(silence_seconds, LONGEST_SECONDS), self._now)
        self.timeout = asyncio.timeout_at(self._pace.deadline)

    def moved(self, size_bytes: int) -> None:
        self._pace.moved(size_bytes)
        if not self.timeout.expired():
            self.timeout.reschedule(self._pace.deadline)


async def _begun(source: Source) -> Body:
    return await aside(source.begin, Body.close)


async def _chunks(body: Body, clock: _Clock) -> AsyncIterator[bytes]:
    while (chunk := await aside(body.take)) is not None:
        clock.moved(len(chunk))
        yield chunk


async def _read(answer: httpx.Response, request: Request, clock: _Clock) -> Reply:
    reading = Reading(answer, request.most_bytes)
    stream = cast("httpx.AsyncByteStream", answer.stream)
    if request.into is None or not is_for_file(answer, request):
        async for chunk in stream:
            clock.moved(len(chunk))
            if not reading.add(chunk):
                break
        return reading.reply()
    with Download(request.into) as download:
        async for chunk in stream:
            clock.moved(len(chunk))
            await aside(partial(download.write, chunk))
        whole_copy(answer, download.size_bytes)
    return reading.reply()
