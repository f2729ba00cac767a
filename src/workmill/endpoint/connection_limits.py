"""How many connections an endpoint holds, and which one gives way when all are taken.

Over the bound the connection that has been idle longest is closed: one that waits between two
requests, or has not sent a whole head yet. So silent callers, however many, keep nobody out. Only
when every connection has a request under way, a few more are taken for `/healthz` and `/readyz`
alone; all else on them is answered 503, and beyond them connections are refused.

The bound keeps below the process's limit of descriptors, with a reserve for the store's files
and connections: a process without descriptors can do nothing, not even say so.
"""

from __future__ import annotations

import asyncio
import resource
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Final, Protocol

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
NOTE_SECONDS: Final = 10.0
"""Full is said at once, and then no more often than this."""
_HEALTH: Final = frozenset({"/healthz", "/readyz"})


class Connected(Protocol):
    """What is asked of a connection here."""

    spare: bool
    transport: asyncio.Transport

    @property
    def has_begun(self) -> bool: ...
    def evict(self) -> None: ...
    def shutdown(self) -> None: ...


class Holder(Protocol):
    """What a connection asks of whoever has all of them: an endpoint, or who stands in for one."""

    closing: bool

    def take(self, connection: Connected) -> bool: ...
    def idles(self, connection: Connected) -> None: ...
    def works(self, connection: Connected) -> None: ...
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
        self._spares: set[Connected] = set()
        self._loop = asyncio.get_running_loop()
        self._headers_of: object = None
        self._headers = b""
        self._noted_at = -NOTE_SECONDS
        self._closed_idle_total = self._refused_total = 0
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
        idlest = next((one for one in self._idle if not (one.spare or one is connection)), None)
        if idlest is None:
            connection.spare = True
            self._spares.add(connection)
            if len(self._spares) <= HEALTH_CONNECTIONS:
                return True
            idlest = next((one for one in self._idle if one is not connection), None)
        if idlest is None:
            self._refused_total += 1
            connection.transport.abort()
            return False
        self._closed_idle_total += 1
        idlest.evict()
        return True

    def forget(self, connection: Connected) -> None:
        """A connection is lost."""
        self._state.connections.discard(connection)
        self._idle.pop(connection, None)
        self._spares.discard(connection)

    def idles(self, connection: Connected) -> None:
        """It waits for its next request."""
        self._idle[connection] = self._loop.time()

    def works(self, connection: Connected) -> None:
        """It has a request under way, or ends."""
        self._idle.pop(connection, None)

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
            refused_total=self._refused_total,
            action="idle connections are closed, longest first; health is answered",
        )

    def _sweep(self) -> None:
        """Close what has been idle too long."""
        self._loop.call_later(SWEEP_SECONDS, self._sweep)
        limit = self._loop.time() - KEEP_ALIVE_SECONDS
        for connection in [one for one, since in self._idle.items() if since <= limit]:
            if not connection.has_begun:
                connection.evict()


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
