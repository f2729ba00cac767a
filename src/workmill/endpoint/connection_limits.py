"""How many connections an endpoint holds, and which one gives way when all are taken.

Over the bound one of those that keep us waiting gives way, the longest first: one that waits
between two requests or has not sent a whole head yet, else one that is kept open only so that its
last answer is read (`lingers`), else one that has sent nothing more of its body, or taken nothing
more of its answer, for `SLOW_SECONDS`. So silent and slow callers, however many, keep nobody out.
Only when every connection is at work, a few more are taken for `/healthz` and `/readyz` alone; all
else on them is answered 503. They give way to each other in the same order, so that one of them is
free whenever somebody asks after our health.

The bound keeps below the process's limit of descriptors, with a reserve for the store's files
and connections: a process without descriptors can do nothing, not even say so.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Coroutine, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, Protocol

from workmill.domain.errors import Unavailable
from workmill.endpoint.exchange import Exchange
from workmill.telemetry import emit

if TYPE_CHECKING:
    from uvicorn.server import ServerState

KEEP_ALIVE_SECONDS: Final = 75.0
"""How long a connection may be idle."""
SWEEP_SECONDS: Final = 1.0
HEALTH_CONNECTIONS: Final = 16
"""Over the bound, for health alone."""
RESERVED_DESCRIPTORS: Final = 64
"""For the store, pipes and files; an eighth of all where that is more."""
MIN_CONNECTIONS: Final = 8
SLOW_SECONDS: Final = 5.0
"""Who keeps us waiting longer than this, in the middle of a request, gives way."""
STREAMS_SHARE: Final = 4
"""One of so many connections may be an event stream, for those have no end."""
NOTE_SECONDS: Final = 10.0
"""Full is said at once, and then no more often than this."""
_HEALTH: Final = frozenset({"/healthz", "/readyz"})


class Connected(Protocol):
    """What is asked of a connection here."""

    spare: bool
    transport: asyncio.Transport

    @property
    def has_begun(self) -> bool: ...
    @property
    def has_unsent(self) -> bool: ...
    def evict(self) -> None: ...
    def cut_short(self) -> bool: ...
    def shutdown(self) -> None: ...


class Holder(Protocol):
    """What a connection asks of whoever has all of them: an endpoint, or who stands in for one."""

    closing: bool

    def take(self, connection: Connected) -> bool: ...
    def idles(self, connection: Connected) -> None: ...
    def works(self, connection: Connected) -> None: ...
    def waits(self, connection: Connected) -> None: ...
    def moves(self, connection: Connected) -> None: ...
    def lingers(self, connection: Connected) -> None: ...
    def forget(self, connection: Connected) -> None: ...
    def start(self, exchange: Exchange) -> None: ...
    def is_health(self, path: str) -> bool: ...
    def server_headers(self) -> bytes: ...


class Connections:
    """All connections of one endpoint."""

    def __init__(
        self,
        answer: Callable[[Exchange], Coroutine[Any, Any, None]],
        max_connections: int,
        state: ServerState,
    ) -> None:
        self._answer = answer
        self._max = max_connections
        self._state = state
        self._idle: dict[Connected, float] = {}
        """Since when, on the loop's clock; the one that is idle longest stands first."""
        self._lingering: dict[Connected, None] = {}
        """Answered for the last time; the one that was answered first stands first."""
        self._slow: dict[Connected, float] = {}
        """Since when they keep us waiting within a request; the longest stands first."""
        self._spares: set[Connected] = set()
        self._loop = asyncio.get_running_loop()
        self._headers_of: object = None
        self._headers = b""
        self._noted_at = -NOTE_SECONDS
        self._closed_idle_total = self._cut_slow_total = self._refused_total = 0
        self.closing = False
        self._sweep()

    def take(self, connection: Connected) -> bool:
        """A new connection: whether it stays."""
        open_now: set[Any] = self._state.connections
        open_now.add(connection)
        self._idle[connection] = self._loop.time()
        if len(open_now) - len(self._spares) <= self._max:
            return True
        stays = self._make_room(connection)
        self._note_full(len(open_now))
        return stays

    def _make_room(self, connection: Connected) -> bool:
        if self._evict_idle(connection, spare=False) or self._cut_slow():
            return True
        connection.spare = True
        self._spares.add(connection)
        if len(self._spares) <= HEALTH_CONNECTIONS or self._evict_idle(connection, spare=True):
            return True
        self._refused_total += 1
        connection.transport.abort()
        return False

    def _evict_idle(self, newcomer: Connected, *, spare: bool) -> bool:
        """Close the first that nothing is lost by, of the spare ones or of the others. Those that
        were answered and have not read that go before those that have not asked, among spares: of
        these one may be about to ask after our health."""
        order = (self._lingering, self._idle) if spare else (self._idle, self._lingering)
        for one in chain(*order):
            if one.spare is not spare or one is newcomer:
                continue
            if one.has_unsent:  # closing would wait until it is read
                self.waits(one)
                continue
            self._closed_idle_total += 1
            one.evict()
            return True
        return False

    def _cut_slow(self) -> bool:
        """End the request that keeps us waiting longest, if that is too long."""
        for one in self._too_slow():
            if one.cut_short():
                self._cut_slow_total += 1
                return True
        return False

    def _too_slow(self) -> Iterator[Connected]:
        limit = self._loop.time() - SLOW_SECONDS
        for one in [one for one, since in self._slow.items() if since <= limit]:
            del self._slow[one]
            yield one

    def forget(self, connection: Connected) -> None:
        """A connection is lost."""
        self._state.connections.discard(connection)
        self._spares.discard(connection)
        self.works(connection)

    def idles(self, connection: Connected) -> None:
        """It waits for its next request."""
        self._idle[connection] = self._loop.time()

    def works(self, connection: Connected) -> None:
        """It has a request under way, or ends."""
        self._idle.pop(connection, None)
        self._lingering.pop(connection, None)
        self._slow.pop(connection, None)

    def lingers(self, connection: Connected) -> None:
        """It was answered for the last time, and stays for a moment so that this is read."""
        self.works(connection)
        self._lingering[connection] = None

    def waits(self, connection: Connected) -> None:
        """It keeps us waiting: for more of a body, or until more of an answer is taken."""
        self._slow.setdefault(connection, self._loop.time())

    def moves(self, connection: Connected) -> None:
        """It does not any more."""
        self._slow.pop(connection, None)

    def start(self, exchange: Exchange) -> None:
        """Have the request answered."""
        self._state.total_requests += 1
        task = self._loop.create_task(self._answer(exchange))
        self._state.tasks.add(task)
        task.add_done_callback(self._state.tasks.discard)

    def server_headers(self) -> bytes:
        """The lines that stand in every answer (the date)."""
        if self._headers_of is not self._state.default_headers:
            self._headers_of = self._state.default_headers
            self._headers = b"".join(b"%b: %b\r\n" % pair for pair in self._state.default_headers)
        return self._headers

    @staticmethod
    def is_health(path: str) -> bool:
        """Whether this is answered over the bound, too."""
        return path in _HEALTH

    def _note_full(self, count: int) -> None:
        now = self._loop.time()
        if now - self._noted_at < NOTE_SECONDS:
            return
        self._noted_at = now
        emit(
            "endpoint.connections_full",
            level="warning",
            connections=count,
            max_connections=self._max,
            closed_idle_total=self._closed_idle_total,
            cut_slow_total=self._cut_slow_total,
            refused_total=self._refused_total,
            action="idle and slow connections are closed, longest first; health is answered",
        )

    def _sweep(self) -> None:
        """Close what has been idle too long."""
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
        limit = self._loop.time() - KEEP_ALIVE_SECONDS
        for connection in [one for one, since in self._idle.items() if since <= limit]:
            if not connection.has_begun:
                connection.evict()
        if self.closing:  # who is still sending hears that nothing was stored, and repeats it
            for connection in self._too_slow():
                if not connection.has_unsent:
                    connection.cut_short()


def all_taken() -> Unavailable:
    """What a caller beyond the bound is told."""
    return Unavailable(
        "All connections of this endpoint are taken. Nothing was changed. Retry.",
        retry_after_seconds=1,
    )


def body_halted() -> Unavailable:
    """What a caller is told who kept others waiting."""
    return Unavailable(
        "The body came to a halt while its connection was needed. Nothing was stored. Retry.",
        retry_after_seconds=1,
    )


def streams_within(max_connections: int, max_streams: int) -> int:
    """As many event streams as asked for, or as leave most of the connections to all else."""
    return min(max_streams, max(1, max_connections // STREAMS_SHARE))


def within_descriptors(max_connections: int) -> int:
    """As many connections as asked for, or as the process's descriptors allow; that is told."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if limit == resource.RLIM_INFINITY:
        return max_connections
    reserve = max(RESERVED_DESCRIPTORS, limit // 8) + HEALTH_CONNECTIONS
    allowed = max(MIN_CONNECTIONS, limit - reserve)
    if allowed >= max_connections:
        return max_connections
    emit(
        "endpoint.connections_bounded",
        level="warning",
        max_connections=allowed,
        asked=max_connections,
        descriptors=limit,
        action="raise the limit of open files (ulimit -n, LimitNOFILE) to hold more",
    )
    return allowed
