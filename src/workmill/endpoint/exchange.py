"""One request and its response on a connection.

The end of a caller's sending is not its hanging up (RFC 9112, section 9.6): who shuts down his
side and reads gets a whole answer. `sending_ended` says that a caller sends no more, `gone`
that the connection is lost, which after the former only a failed write can show.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from http import HTTPStatus
from typing import Final, Protocol

from workmill.domain.errors import WorkmillError
from workmill.endpoint.request_head import Head

Headers = list[tuple[bytes, bytes]]

MAX_WAITING_BODY_BYTES: Final = 64 * 1024
"""Of a body that its handler has not taken yet; above this nothing more is read."""
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_STATUS_LINES: Final = {
    int(status): b"HTTP/1.1 %d %b\r\n" % (status, status.phrase.encode()) for status in HTTPStatus
}
_CLOSE: Final = b"connection: close\r\n"
_CHUNKED: Final = b"transfer-encoding: chunked\r\n"
_LENGTH: Final = b"content-length"
UNBUFFERED: Final = (b"x-accel-buffering", b"no")
"""nginx and its kin hold pieces of an answer back until they have many, unless asked not to."""


class ClientGone(Exception):
    """The caller hung up: there is nobody to answer."""


class Line(Protocol):
    """What is asked of a connection on which requests are answered."""

    def write(self, data: bytes) -> None: ...
    def pause_reading(self) -> None: ...
    def await_body(self) -> None: ...
    async def drained(self) -> None: ...
    def exchange_ended(self) -> None: ...
    def abandon(self) -> None: ...
    def server_headers(self) -> bytes: ...
    def watch(self) -> None: ...
    def unwatch(self) -> None: ...
    def arrived(self) -> bool | None: ...
    def give_up(self) -> None: ...


class Exchange:
    """A request to take in and its response to send, once."""

    __slots__ = (
        "_answered_continue",
        "_body",
        "_chunked",
        "_error",
        "_waiters",
        "begun",
        "body_complete",
        "ended",
        "gone",
        "head",
        "keep_alive",
        "line",
        "sending_ended",
    )

    def __init__(self, line: Line, head: Head) -> None:
        self.line = line
        self.head = head
        self.keep_alive = head.keep_alive
        self.body_complete = False
        """Whether all of the body has come, taken or not."""
        self.begun = self.ended = False
        """The response."""
        self.gone = self.sending_ended = False
        self._body = b""
        self._error: WorkmillError | None = None
        self._answered_continue = not head.expects_continue
        self._chunked = False
        self._waiters: list[asyncio.Future[None]] = []

    # What the connection says.

    def take_body(self, data: bytes, *, complete: bool) -> None:
        """The next piece of the body."""
        self._body = self._body + data if self._body else data
        self.body_complete = complete
        if not complete and len(self._body) > MAX_WAITING_BODY_BYTES:
            self.line.pause_reading()
        self._wake()

    def fail_body(self, error: WorkmillError) -> None:
        """No more of the body will come, and why."""
        self._error = error
        self.keep_alive = False
        self._wake()

    def end_sending(self) -> None:
        """The caller sends no more."""
        self.sending_ended = True
        self._wake()

    def lose(self) -> None:
        """The connection is lost."""
        self.gone = self.sending_ended = True
        self._wake()

    # What the handler asks.

    async def next_chunk(self) -> bytes:
        """The next piece of the body, the last when `body_complete` is set afterwards.

        Raises ClientGone, and MalformedRequest or HeadTooLarge when the rest cannot be read.
        """
        while not self._body and not self.body_complete:
            if self._error is not None:
                raise self._error
            if self.gone:
                raise ClientGone
            if not self._answered_continue:
                self._answered_continue = True
                self.line.write(_CONTINUE)
            self.line.await_body()
            await self._change()
        body, self._body = self._body, b""
        return body

    async def until_gone(self) -> None:
        """Return when the connection is lost."""
        while not self.gone:
            await self._change()

    async def until_sending_ended(self) -> None:
        """Return when the caller sends no more, be it that it still reads."""
        while not self.sending_ended:
            await self._change()

    # The response.

    def respond(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a whole response in one write. `headers` has its length, if it has any."""
        self._begin()
        if self.head.method != "HEAD" and status != HTTPStatus.NO_CONTENT:
            self.line.write(self._head(status, headers) + body)
        else:
            self.line.write(self._head(status, headers))
        self._end()

    async def respond_but_last(
        self, status: int, headers: Headers, body: bytes, seconds: float
    ) -> None:
        """Send a whole response but for its last byte, and give whoever passes it on the time to
        say, by hanging up, that its caller has gone. `respond_last` is to follow.

        A caller's machine that is sent something refuses it; the proxy hears so when it sends
        more. So there are two pieces, with some time after each.
        """
        self._begin()
        whole = self._head(status, [*headers, UNBUFFERED]) + body
        for piece in (whole[:-2], whole[-2:-1]):
            self.line.write(piece)
            if not self.sending_ended:  # else he may read yet, and hangs up no more
                with suppress(TimeoutError):
                    async with asyncio.timeout(seconds):
                        await self.until_sending_ended()

    def respond_last(self, body: bytes) -> None:
        """Send the last byte of this body."""
        self.line.write(body[-1:])
        self._end()

    def begin(self, status: int, headers: Headers) -> None:
        """Send the head of a response whose body comes piece by piece."""
        self._begin()
        if all(name != _LENGTH for name, _ in headers):
            self._chunked = not self.head.is_http_10
            self.keep_alive = self.keep_alive and self._chunked
        self.line.write(self._head(status, headers))

    async def write(self, data: bytes) -> None:
        """Send a piece, once the caller has taken enough of those before. Raises ClientGone."""
        if self.gone:
            raise ClientGone
        if data and self.head.method != "HEAD":
            self.line.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)
        await self.line.drained()

    def end(self) -> None:
        """The response is whole."""
        if self._chunked and self.head.method != "HEAD":
            self.line.write(b"0\r\n\r\n")
        self._end()

    def abandon(self) -> None:
        """No (whole) response will come: the caller learns so by the end of the connection."""
        self.keep_alive = False
        if not self.ended:
            self.ended = True
            self.line.abandon()

    def _begin(self) -> None:
        self.begun = True
        if not self.body_complete:
            self.keep_alive = False  # what is left of the body is not taken for a request

    def _end(self) -> None:
        self.ended = True
        self.line.exchange_ended()

    def _head(self, status: int, headers: Headers) -> bytes:
        parts = [_STATUS_LINES[status], self.line.server_headers()]
        parts += [b"%b: %b\r\n" % pair for pair in headers]
        if self._chunked:
            parts.append(_CHUNKED)
        if not self.keep_alive:
            parts.append(_CLOSE)
        parts.append(b"\r\n")
        return b"".join(parts)

    async def _change(self) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _wake(self) -> None:
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)
