"""httpcore's pools behind httpx's one-method port: the only place that opens connections.

The bounds are ours, not a library's. `MOST_CALLS` requests of one client run at a time, and those
beyond wait their turn in order; the pool itself never refuses. Long polls take at most
`polls.MOST` of them, so that a short call always finds its turn. Connections that nobody
uses are kept for a few seconds, and few.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from asyncio import Semaphore
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import Any, Final, cast
from weakref import WeakValueDictionary

import h11
import httpcore
import httpx

from workmill.client import poll_bound
from workmill.client.sockets import LARGE_BYTES, SocketBackend

MOST_CALLS: Final = poll_bound.MOST + 100
KEPT_CONNECTIONS: Final = 20
KEPT_SECONDS: Final = 5.0

_BOUNDS: Final[dict[str, Any]] = {
    "max_connections": None,
    "max_keepalive_connections": KEPT_CONNECTIONS,
    "keepalive_expiry": KEPT_SECONDS,
}


class Call:
    """One call that is under way, known for as long as its frame lives."""


class Network(httpx.BaseTransport):
    """The connections of one process; threads share them.

    A thread has one call here at a time, in `calls` under its number. Whoever calls again in the
    middle of it, a signal's handler or what the collector runs, would wait for locks of its own.
    """

    def __init__(self, context: ssl.SSLContext) -> None:
        self.calls: WeakValueDictionary[int, Call] = WeakValueDictionary()
        self.backend = SocketBackend()
        self.turns = threading.Semaphore(MOST_CALLS)
        self._pool = httpcore.ConnectionPool(context, network_backend=self.backend, **_BOUNDS)
        # Ctrl-C just after the pool's lock was taken has its clean-up wait for the same lock
        self._pool._optional_thread_lock = threading.RLock()  # type: ignore[assignment]  # noqa: SLF001

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """The head of the answer; its body is read from the stream."""
        answer = self._pool.handle_request(_for_httpcore(request))
        stream = _Stream(cast("Iterable[bytes]", answer.stream))
        return httpx.Response(answer.status, headers=answer.headers, stream=stream)

    def close(self) -> None:
        """Close what is idle, and end what is under way."""
        self.backend.give_up()
        self._pool.close()

    def drop(self) -> None:
        """Close what nobody uses any more, in whatever state the pool was left."""
        self.backend.forget()

    def forget(self) -> None:
        """In a forked child, see `SocketBackend.forget`; a parent's thread may have held a lock."""
        self.turns = threading.Semaphore(MOST_CALLS)
        self.backend.forget()


class AsyncNetwork(httpx.AsyncBaseTransport):
    """The connections of one event loop."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self.turns = Semaphore(MOST_CALLS)
        self._pool = httpcore.AsyncConnectionPool(
            context, network_backend=_AsyncBackend(), **_BOUNDS
        )

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The head of the answer; its body is read from the stream."""
        try:
            answer = await self._pool.handle_async_request(_for_httpcore(request))
        except asyncio.CancelledError:
            await self._drop_orphans()
            raise
        stream = _AsyncStream(cast("AsyncIterable[bytes]", answer.stream), self._let_go)
        return httpx.Response(answer.status, headers=answer.headers, stream=stream)

    async def _let_go(self, stream: Any) -> None:
        """An answer whose closing was cancelled still counts as under way, and never ends."""
        request = getattr(stream, "_pool_request", None)
        if request in self._pool._requests:  # noqa: SLF001
            self._pool._requests.remove(request)  # noqa: SLF001
        await self._drop_orphans()

    async def _drop_orphans(self) -> None:
        """A request that is cancelled between two steps of the pool leaves it a connection that is
        neither idle nor anybody's, for ever."""
        held = [one.connection for one in self._pool._requests]  # noqa: SLF001
        for one in self._pool.connections:
            if one not in held and not one.is_idle() and not one.is_closed():
                self._pool._connections.remove(one)  # noqa: SLF001
                await one.aclose()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._pool.aclose()


def _for_httpcore(request: httpx.Request) -> httpcore.Request:
    url = request.url
    return httpcore.Request(
        method=request.method,
        url=httpcore.URL(
            scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path
        ),
        headers=request.headers.raw,
        content=request.stream,
        extensions=request.extensions,
    )


def _end_if_more_came(stream: Any) -> None:
    """What came behind the end of an answer was not asked for, and would be taken for the answer to
    whatever is asked next: that connection is not used again (RFC 9112, section 9.2)."""
    state = stream._stream._connection._h11_state  # noqa: SLF001
    if state.their_state is h11.DONE and state.trailing_data[0]:
        state.send_failed()


class _Stream(httpx.SyncByteStream):
    def __init__(self, stream: Iterable[bytes]) -> None:
        self._stream = stream

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._stream)

    def close(self) -> None:
        _end_if_more_came(self._stream)
        self._stream.close()  # type: ignore[attr-defined]


class _AsyncStream(httpx.AsyncByteStream):
    def __init__(
        self, stream: AsyncIterable[bytes], let_go: Callable[[object], Awaitable[None]]
    ) -> None:
        self._stream = stream
        self._let_go = let_go

    def __aiter__(self) -> AsyncIterator[bytes]:
        return aiter(self._stream)

    async def aclose(self) -> None:
        _end_if_more_came(self._stream)
        try:
            await self._stream.aclose()  # type: ignore[attr-defined]
        except asyncio.CancelledError:
            await self._let_go(self._stream)
            raise


class _AsyncBackend(httpcore.AnyIOBackend):
    """Sockets of the loop whose large writes end when an answer has come already."""

    async def connect_tcp(self, *given: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        try:
            return _Early(await super().connect_tcp(*given, **named))
        except (OSError, UnicodeError, OverflowError) as error:
            raise httpcore.ConnectError(str(error)) from error


class _Early(httpcore.AsyncNetworkStream):
    """A plain connection. With TLS, what has come may be no answer: then nobody looks."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream

    async def read(
        self,
        max_bytes: int,
        timeout: float | None = None,  # noqa: ASYNC109  httpcore's port
    ) -> bytes:
        return await self._stream.read(max_bytes, timeout)

    async def write(
        self,
        buffer: bytes,
        timeout: float | None = None,  # noqa: ASYNC109
    ) -> None:
        for start in range(0, len(buffer), LARGE_BYTES):
            if len(buffer) >= LARGE_BYTES and self._stream.get_extra_info("is_readable"):
                raise httpcore.WriteError("an answer came before the end of the request")
            await self._stream.write(buffer[start : start + LARGE_BYTES], timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(self, *given: Any, **named: Any) -> httpcore.AsyncNetworkStream:
        try:
            return await self._stream.start_tls(*given, **named)
        except BaseException:  # httpcore leaves it open when it is cancelled
            await self._stream.aclose()
            raise

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
