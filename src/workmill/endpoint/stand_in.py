"""Answers in the place of an endpoint that ends again and again at its start.

Theory. Whoever replaces endpoints holds their listening socket, so that callers wait in the
kernel's queue for the next one, which is there in a moment. When that one ends at its start, and
the next one too, they would wait for ever, for somebody who cannot say so. So between two starts
their connections are taken here and each request is answered 503, with the time of the next start.

Connections are those of an endpoint (`connections`), with its grammar, its bounds and its way of
ending: a caller who still sends his body gets the answer, not a reset. Only the bounds are smaller.
No connection is taken after `answering`, so none is taken from the endpoint that starts then; those
that were taken before are answered.
"""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, Final

from workmill.domain.errors import WorkmillError
from workmill.endpoint.connection_limits import Connected
from workmill.endpoint.connections import Connection
from workmill.endpoint.exchange import Exchange
from workmill.endpoint.problem_details import problem_reply

MAX_CONNECTIONS: Final = 256
"""At once, if this process has descriptors for them; the others go on waiting in the queue."""
DESCRIPTORS_SHARE: Final = 4
"""One in so many may be a caller's: the rest is for starting processes."""
SILENT_SECONDS: Final = 2.0
"""How long a connection may be here without a whole head."""
ACCEPT_AGAIN_SECONDS: Final = 0.5
"""After the system could not give us a connection: it has no descriptors or no memory."""


class StandIn:
    """All connections that are answered in an endpoint's place. For the loop's thread alone.

    `listen_fd` is a listening socket that somebody else holds and closes.
    """

    closing = False
    """See `connections.Holder`."""

    def __init__(self, listen_fd: int) -> None:
        self._listen_fd = listen_fd
        self._listener: socket.socket | None = None
        """While connections are taken."""
        self._error: Callable[[], WorkmillError] = WorkmillError
        self._open: set[Connected] = set()
        self._silent: set[Connected] = set()
        """Those of them that have not sent a whole head yet."""
        self._arriving: set[asyncio.Task[Any]] = set()
        limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        few = limit == resource.RLIM_INFINITY or limit // DESCRIPTORS_SHARE >= MAX_CONNECTIONS
        self._max = MAX_CONNECTIONS if few else max(1, limit // DESCRIPTORS_SHARE)

    @contextmanager
    def answering(self, error: Callable[[], WorkmillError]) -> Iterator[None]:
        """Take connections and answer each request with what `error` then returns, as long as the
        context lasts."""
        self._error = error
        self._listener = socket.socket(fileno=self._listen_fd)
        self._listener.setblocking(False)  # as the endpoints set it, which share it
        self._accept_while_there_is_room()
        try:
            yield
        finally:
            self._stop_accepting()
            self._listener.detach()
            self._listener = None

    def close(self) -> None:
        """Cut off whoever is not answered yet: this process ends."""
        for task in self._arriving:
            task.cancel()
        for connection in tuple(self._open):
            connection.transport.abort()

    # What a connection asks of whoever has it.

    def take(self, connection: Connected) -> bool:
        """A new connection: it stays."""
        self._open.add(connection)
        self._silent.add(connection)
        asyncio.get_running_loop().call_later(SILENT_SECONDS, self._end_silence, connection)
        return True

    def works(self, connection: Connected) -> None:
        """It has sent a head, or ends."""
        self._silent.discard(connection)

    def idles(self, connection: Connected) -> None:
        """Never: each connection ends with its answer."""

    def waits(self, connection: Connected) -> None:
        """It has its own time for that, and none here has to give way."""

    moves = waits

    def lingers(self, connection: Connected) -> None:
        """It is answered."""
        self.works(connection)

    def forget(self, connection: Connected) -> None:
        """It is lost, and leaves room for another one."""
        self._open.discard(connection)
        self._silent.discard(connection)
        self._accept_while_there_is_room()

    def start(self, exchange: Exchange) -> None:
        """Answer the request, whatever it is, and take no other after it."""
        exchange.keep_alive = False
        reply = problem_reply(self._error())
        if isinstance(reply.body, bytes):
            exchange.respond(reply.status, reply.headers, reply.body)

    def server_headers(self) -> bytes:
        """None: what speaks here is no server."""
        return b""

    @staticmethod
    def is_health(_path: str) -> bool:
        """Health is answered as all else is: nobody is well here."""
        return False

    # Accepting, one by one: what was accepted cannot be given back.

    def _accept_while_there_is_room(self) -> None:
        if self._listener is None or len(self._open) + len(self._arriving) >= self._max:
            self._stop_accepting()
        else:
            asyncio.get_running_loop().add_reader(self._listen_fd, self._accept)

    def _stop_accepting(self) -> None:
        asyncio.get_running_loop().remove_reader(self._listen_fd)

    def _accept(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            if self._listener is None:
                return
            line, _ = self._listener.accept()
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        except OSError:  # it would be tried again without a pause, for they still wait
            self._stop_accepting()
            loop.call_later(ACCEPT_AGAIN_SECONDS, self._accept_while_there_is_room)
            return
        line.setblocking(False)
        arriving = loop.connect_accepted_socket(partial(Connection, self, loop), line)
        task = loop.create_task(arriving)
        self._arriving.add(task)
        task.add_done_callback(self._has_arrived)
        self._accept_while_there_is_room()

    def _has_arrived(self, task: asyncio.Task[Any]) -> None:
        self._arriving.discard(task)
        if not task.cancelled():
            task.exception()
        self._accept_while_there_is_room()

    def _end_silence(self, connection: Connected) -> None:
        if connection in self._silent:
            connection.evict()
