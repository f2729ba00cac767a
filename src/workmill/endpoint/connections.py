"""A connection: requests one after the other, each judged, bounded and answered in its turn.

A head is gathered whole and judged (`request_head`) before anything of it is believed; then its
body is taken as the head says, and by nothing else (RFC 9112, section 6.3). What a caller sends
ahead (pipelining) is kept unread until the answer before it is out. So no bytes of a body are
read as a request, and no answer belongs to another request.

When a request is refused, or answered before its body was whole, the answer is sent with our side
closed behind it, and what still comes is thrown away for a moment: closing with bytes unread
makes the kernel send a reset, which can destroy the answer before the caller has read it (RFC
9112, section 9.6).
"""

from __future__ import annotations

import asyncio
from typing import Final

from workmill.domain.errors import HeadTooLarge, MalformedRequest, WorkmillError
from workmill.endpoint.chunked_body import ChunkedBody
from workmill.endpoint.connection_limits import Holder, all_taken, body_halted
from workmill.endpoint.exchange import Exchange
from workmill.endpoint.problem_details import problem_reply
from workmill.endpoint.request_head import MAX_HEAD_BYTES, Head, check_beginning, parse_head, unread
from workmill.endpoint.tcp_acknowledgement import Arrival

HEAD_SECONDS: Final = 15.0
"""Time for a head to arrive, the first one from the opening of the connection."""
STALLED_SECONDS: Final = 60.0
"""How long a caller may leave what waits for it: its answer stays in memory meanwhile."""
LINGER_SECONDS: Final = 2.0
"""How long what still comes is thrown away after the last answer."""
MAX_BLANK_BYTES: Final = 64
"""Empty lines before a request (RFC 9112, section 2.2)."""
_NO_HEAD: Final = "The request broke off. Nothing was changed."


class Connection(asyncio.Protocol):
    """One caller's connection. Idle when no request has begun and none is being answered."""

    def __init__(self, connections: Holder, loop: asyncio.AbstractEventLoop) -> None:
        self.transport: asyncio.Transport
        self._arrival: Arrival
        self.spare = False
        """Over the bound of connections: health is answered, and nothing else."""
        self._connections = connections
        self._loop = loop
        self._exchange: Exchange | None = None
        self._body: ChunkedBody | int | None = 0
        """What is to come of the body: in chunks, so many bytes, or nothing that can be read."""
        self._inbox = b""
        """A head that is not whole yet, or what was sent ahead of its turn."""
        self._looked_at = 0
        self._blank_bytes = 0
        self._sending_ended = self._reading_paused = self._discarding = self._lost = False
        self._cut = False  # others need the place: it closes with its answer
        self._watched = 0
        self._close_when_arrived = False
        self._timer: asyncio.TimerHandle | None = None
        self._stalled_timer: asyncio.TimerHandle | None = None
        self._drained: asyncio.Future[None] | None = None

    # The transport's callbacks.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self.transport = transport
        self._arrival = Arrival(transport, self._loop)
        if self._connections.take(self):
            self._start_timer(HEAD_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost = True
        self._arrival.lose(exc)
        self._connections.forget(self)
        self._stop_timer()
        self.resume_writing()
        if self._exchange is not None:
            self._exchange.lose()

    def eof_received(self) -> bool:
        """The caller sends no more. True keeps our side open, for an answer that is due."""
        self._sending_ended = self._arrival.half_closed = True
        if self._discarding:
            return False
        exchange = self._exchange
        if exchange is None:
            if self._inbox:
                self._refuse(MalformedRequest(_NO_HEAD), self._inbox)
                return True
            self._close()
            return True
        if not exchange.body_complete:
            exchange.fail_body(MalformedRequest("The body broke off. Nothing was stored."))
        exchange.end_sending()
        return True

    def pause_writing(self) -> None:
        """More waits for the caller than it takes: from now on its time is counted."""
        if self._drained is None:
            self._drained = self._loop.create_future()
        self._connections.waits(self)
        self._watch_for_stall()

    def resume_writing(self) -> None:
        """The caller has taken most of it."""
        if self._drained is not None:
            self._drained.set_result(None)
            self._drained = None
            self._connections.moves(self)
            if self._exchange is None and not self._lost:
                self._go_on()
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
            self._stalled_timer = None

    def data_received(self, data: bytes) -> None:
        if self._exchange is None:
            if not self._discarding:
                self._take_head(data)
        elif self._exchange.body_complete:
            self._inbox = self._inbox + data
            self.pause_reading()
        elif self._body is not None:
            self._take_body(self._exchange, data)

    def shutdown(self) -> None:
        """The service drains: no request is taken after the one that is being answered."""
        if self._exchange is not None:
            self._exchange.keep_alive = False
        else:
            self._close()

    # What an exchange asks.

    def write(self, data: bytes) -> None:
        if self.transport.is_closing():
            self._arrival.refuse()
            return
        self.transport.write(data)
        self._arrival.wrote(len(data), watched=self._watched > 0)

    def pause_reading(self) -> None:
        if not self._reading_paused and not self.transport.is_closing():
            self._reading_paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._reading_paused and not self._inbox and not self.transport.is_closing():
            self._reading_paused = False
            self.transport.resume_reading()

    def await_body(self) -> None:
        """The handler waits for more of the body."""
        self.resume_reading()
        self._connections.waits(self)

    async def drained(self) -> None:
        """Return when the caller has taken most of what was written, or is gone."""
        if self._drained is not None:
            await asyncio.shield(self._drained)

    def server_headers(self) -> bytes:
        return self._connections.server_headers()

    def exchange_ended(self) -> None:
        """The answer is written: on to the next request, or to the end."""
        exchange, self._exchange = self._exchange, None
        if self._lost or exchange is None:
            return
        if not exchange.keep_alive:
            whole = exchange.body_complete and not self._inbox
            if whole or self._sending_ended or self._cut:
                self._close()
            else:
                self._discard()
        elif self._drained is None:
            self._go_on()
        else:
            self.pause_reading()  # no more answers for one who does not take them

    def _go_on(self) -> None:
        """To the next request, or to the end, now that the caller has taken what was written."""
        if self._discarding or self.transport.is_closing():
            return
        if self._inbox:
            self._loop.call_soon(self._take_what_was_sent_ahead)
        elif self._sending_ended:
            self._close()
        else:
            self.resume_reading()
            self._connections.idles(self)

    def abandon(self) -> None:
        self._exchange = None
        self._close()

    # Whether an answer has arrived (`deliveries`).

    def watch(self) -> None:
        """Somebody will ask `arrived` until it is known, and then call `unwatch`."""
        self._watched += 1

    def unwatch(self) -> None:
        self._watched -= 1
        if not self._watched and self._close_when_arrived and self._exchange is None:
            self._close()

    def arrived(self) -> bool | None:
        """Whether all that was written is with the caller's machine; None: not known yet."""
        return self._arrival.known()

    def give_up(self) -> None:
        """Cut the connection off: what has not arrived never will."""
        self.transport.abort()

    @property
    def has_begun(self) -> bool:
        """Whether a head is on its way."""
        return bool(self._inbox)

    @property
    def has_unsent(self) -> bool:
        """Whether the caller leaves some of what was written to him."""
        return not self._watched and self.transport.get_write_buffer_size() > 0

    def evict(self) -> None:
        """Make room for another connection; this one is idle, or lingers."""
        self._cut = True
        if self._inbox and self._exchange is None:
            self._refuse(all_taken(), self._inbox)
        else:
            self._close()

    def cut_short(self) -> bool:
        """Make room in the middle of a request that keeps us waiting. False for results that are
        on their way: `deliveries` looks after those."""
        exchange = self._exchange
        if exchange is not None and not exchange.begun and not exchange.body_complete:
            self._cut, self._body = True, None
            exchange.fail_body(body_halted())
            return True
        if self._watched:
            return False
        self.transport.abort()
        return True

    # Heads.

    def _take_head(self, data: bytes) -> None:
        raw = self._inbox + data if self._inbox else data
        if raw[:1] == b"\r":
            raw = self._without_blank_lines(raw)
        end = raw.find(b"\r\n\r\n", max(0, self._looked_at - 3)) + 4
        try:
            if self._blank_bytes > MAX_BLANK_BYTES:
                raise MalformedRequest("Empty lines are no request. Nothing was changed.")
            if not 4 <= end <= MAX_HEAD_BYTES:
                self._wait_for_head(raw)
                return
            head = parse_head(raw[:end])
        except WorkmillError as error:
            self._refuse(error, raw)
            return
        self._inbox, self._looked_at, self._blank_bytes = b"", 0, 0
        self._stop_timer()
        self._connections.works(self)
        self._begin(head, raw[end:])

    def _without_blank_lines(self, raw: bytes) -> bytes:
        start = 0
        while raw[start : start + 2] == b"\r\n":
            start += 2
        self._blank_bytes += start
        self._looked_at = max(0, self._looked_at - start)
        return raw[start:]

    def _wait_for_head(self, raw: bytes) -> None:
        """It is not whole: refuse it if it never can be, else keep it."""
        check_beginning(raw[:MAX_HEAD_BYTES], self._looked_at)
        if len(raw) > MAX_HEAD_BYTES:
            raise HeadTooLarge(f"A head has at most {MAX_HEAD_BYTES} bytes. Send less.")
        self._inbox, self._looked_at = raw, len(raw)
        if self._timer is None:
            self._start_timer(HEAD_SECONDS)

    def _take_what_was_sent_ahead(self) -> None:
        if self._lost or self._exchange is not None or self._discarding:
            return
        ahead, self._inbox = self._inbox, b""
        self._looked_at = 0
        self._take_head(ahead)
        if self._exchange is None and not self._discarding:
            if self._sending_ended:
                self._refuse(MalformedRequest(_NO_HEAD), self._inbox)
            elif self._reading_paused:
                self._reading_paused = False
                self.transport.resume_reading()

    def _begin(self, head: Head, rest: bytes) -> None:
        if self.spare and not self._connections.is_health(head.path):
            self._refuse(all_taken(), b"%b " % head.method.encode())
            return
        exchange = self._exchange = Exchange(self, head)
        if self.spare or self._connections.closing:
            exchange.keep_alive = False
        self._body = ChunkedBody() if head.length is None else head.length
        if self._body == 0:
            exchange.body_complete = True
            self._keep_ahead(rest)
        elif rest:
            self._take_body(exchange, rest)
        if self._sending_ended:
            self.eof_received()
        elif not self._inbox:
            self.resume_reading()
        self._connections.start(exchange)

    def _refuse(self, error: WorkmillError, raw: bytes) -> None:
        """Answer what begins with `raw` and is no request, and take no other after it."""
        if self.transport.is_closing():
            return
        self._inbox = b""
        exchange = self._exchange = Exchange(self, unread(raw))
        exchange.keep_alive = False
        reply = problem_reply(error)
        if isinstance(reply.body, bytes):
            exchange.respond(reply.status, reply.headers, reply.body)

    # Bodies.

    def _take_body(self, exchange: Exchange, data: bytes) -> None:
        self._connections.moves(self)
        body = self._body
        if isinstance(body, int):
            piece, rest = (data, b"") if len(data) <= body else (data[:body], data[body:])
            self._body = body - len(piece)
            complete = not self._body
        elif body is not None:
            try:
                piece, rest = body.feed(data)
            except WorkmillError as error:
                exchange.fail_body(error)
                self._body = None
                return
            complete = body.ended
        if piece or complete:
            exchange.take_body(piece, complete=complete)
        self._keep_ahead(rest)

    def _keep_ahead(self, rest: bytes) -> None:
        if rest:
            self._inbox = rest
            self.pause_reading()

    # The end.

    def _close(self) -> None:
        """Close, once what is written has been taken; not for ever, if nobody takes it."""
        self._connections.works(self)
        if self._watched and not self._lost:
            self._close_when_arrived = True
            return
        self._stop_timer()
        if self.transport.get_write_buffer_size():
            self._connections.waits(self)
            self._watch_for_stall()
        self.transport.close()

    def _discard(self) -> None:
        """Close our side, and throw away what still comes, for a moment."""
        self._discarding = True
        self._inbox = b""
        self._stop_timer()
        self._connections.lingers(self)
        if self.transport.is_closing():
            return
        self._arrival.half_closed = True  # what comes from now on is not told apart
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.resume_reading()
        self._start_timer(LINGER_SECONDS)

    def _watch_for_stall(self) -> None:
        if self._stalled_timer is None:
            self._stalled_timer = self._loop.call_later(STALLED_SECONDS, self.transport.abort)

    def _start_timer(self, seconds: float) -> None:
        self._timer = self._loop.call_later(seconds, self._time_is_over)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time_is_over(self) -> None:
        self._timer = None
        self._close()
