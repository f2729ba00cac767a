"""What uvicorn does not have: bounds on connections, heads and silence, replies in one write.

The parser keeps a head until it is whole. So bytes that have come since it last got anywhere
(a finished head, a piece of a body, the end of a message) are counted and timed: they are a
head, or the frame around a chunk, and neither needs many bytes nor much time.
"""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workmill.domain.errors import HeadTooLarge, MalformedRequest, WorkmillError
from workmill.endpoint.corked import CorkedTransport
from workmill.endpoint.problems import problem_of
from workmill.wire import codecs

HEAD_SECONDS: Final = 15.0
"""Time for a head to arrive, the first one from the opening of the connection."""
MAX_HEAD_BYTES: Final = 64 * 1024
STALLED_SECONDS: Final = 60.0
"""How long a caller may leave what waits for it: its answer stays in memory meanwhile."""


class BoundedProtocol(HttpToolsProtocol):
    """An HTTP connection that is refused over the bounds and closed when it stays silent."""

    max_connections = 0
    _head_timer: asyncio.TimerHandle | None = None
    _stalled_timer: asyncio.TimerHandle | None = None
    _loose_bytes = 0

    @classmethod
    def bounded_by(cls, max_connections: int) -> type[BoundedProtocol]:
        """This protocol with its bound."""
        return type("BoundedProtocol", (cls,), {"max_connections": max_connections})

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        corked = CorkedTransport(transport, self.loop)
        super().connection_made(corked)  # type: ignore[arg-type]
        if len(self.connections) > self.max_connections:
            transport.abort()
            return
        self._start_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        self._got_on()
        self.resume_writing()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """More waits for the caller than it takes: from now on its time is counted."""
        super().pause_writing()
        self._stalled_timer = self.loop.call_later(STALLED_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """The caller has taken most of it."""
        super().resume_writing()
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
            self._stalled_timer = None

    def data_received(self, data: bytes) -> None:
        self._loose_bytes += len(data)
        super().data_received(data)
        if not self._loose_bytes:
            return
        if self._loose_bytes > MAX_HEAD_BYTES:
            self._refuse(HeadTooLarge(f"A head has at most {MAX_HEAD_BYTES} bytes. Send less."))
        elif self._head_timer is None and self._between_requests():
            self._start_timer()  # within one, the handler bounds the time of its body

    def on_headers_complete(self) -> None:
        self._got_on()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Pass a piece on as it is when none is waiting: uvicorn would copy it twice."""
        self._got_on()
        if self.cycle is not None and not self.cycle.body:
            self.cycle.body = body  # type: ignore[assignment]
            body = b""
        super().on_body(body)

    def on_message_complete(self) -> None:
        self._got_on()
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's own words
        """What uvicorn calls when the parser gives up."""
        self._refuse(MalformedRequest("This is not HTTP/1.1. Nothing was changed."))

    def _got_on(self) -> None:
        self._loose_bytes = 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _between_requests(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _start_timer(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self.transport.close)

    def _refuse(self, error: WorkmillError) -> None:
        """Answer without a request, unless one is being answered, and close."""
        if self.transport.is_closing():
            return
        if self._between_requests():
            self.transport.write(_whole(error))
        self.transport.close()


def _whole(error: WorkmillError) -> bytes:
    body = codecs.to_json(problem_of(error))
    return (
        b"HTTP/1.1 %d \r\nContent-Type: %b\r\nContent-Length: %d\r\nConnection: close\r\n\r\n%b"
        % (error.status, codecs.PROBLEM.encode(), len(body), body)
    )
