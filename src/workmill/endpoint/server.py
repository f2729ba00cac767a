"""One endpoint process: listen, serve, drain, close the store.

uvicorn accepts connections and ends in order (uvloop under it); what is said on a connection is
`connections`' business. What is set here are bounds, the order of the ending, and the signal that
says where we listen.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import uvicorn
import uvloop

from workmill.domain.errors import StoreLost
from workmill.endpoint.app import App
from workmill.endpoint.connection_limits import (
    Connections,
    streams_within,
    within_descriptors,
)
from workmill.endpoint.connections import Connection
from workmill.endpoint.context import Service
from workmill.endpoint.docs_page import docs_page
from workmill.endpoint.listener import BACKLOG, listener_of, place_of, url_of
from workmill.endpoint.malloc_settings import keep_free_memory
from workmill.endpoint.openapi import openapi_document
from workmill.endpoint.routes import OPERATIONS
from workmill.endpoint.settings import EndpointSettings
from workmill.endpoint.systemd_watchdog import keep_watchdog_quiet
from workmill.endpoint.thread_pools import whole_pool
from workmill.process.entry import StopWishes, stop_signals
from workmill.store.port import Store
from workmill.telemetry import emit
from workmill.wire import codecs

ASIDE_THREADS: Final = 4
"""For what `asyncio.to_thread` is asked: files of backups, and a file system that may hang."""


def serve(open_store: Callable[[], Store], settings: EndpointSettings) -> None:
    """Serve until SIGTERM or SIGINT, then drain. Emits `endpoint.ready` with the URL.

    Raises StoreLost when the store can go on no more (whoever started this process should
    start another), Unavailable when the address is taken, and what `open_store` raises.
    """
    keep_free_memory()
    Endpoint(open_store, settings).run()


class Endpoint:
    """One endpoint in this thread. `ready` is set once `url` answers."""

    def __init__(self, open_store: Callable[[], Store], settings: EndpointSettings) -> None:
        self._open_store = open_store
        self._settings = settings
        self._server: _Server | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self.url = ""
        self.ready = threading.Event()

    def run(self) -> None:
        """Serve until `stop` or a signal. Raises as `serve` does."""
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    def stop(self) -> None:
        """Drain, so that `run` returns. May be called from any thread."""
        if self._loop is not None and self._server is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._server.leave)

    async def _serve(self) -> None:
        listener = listener_of(self._settings)
        self._loop = asyncio.get_running_loop()
        self._loop.set_default_executor(whole_pool(ASIDE_THREADS, "aside"))
        watchdog = asyncio.create_task(keep_watchdog_quiet())
        service = Service(
            self._open_store,
            self._settings,
            on_lost=self._end,
            serves=place_of(listener, toward=self._settings.toward),
        )
        try:
            await service.start()
            self._server = _Server(service, lambda: self._is_ready(listener))
            with _signals(self._loop, self._server.leave):
                await self._server.serve(sockets=[listener])
        finally:
            listener.close()
            await service.close()
            watchdog.cancel()
        emit("endpoint.drained", url=self.url)
        if service.lost:
            raise StoreLost(
                "The store failed for good; why stands above (store.lost). Start again."
            )

    def _end(self) -> None:
        if self._server is not None:
            self._server.leave()

    def _is_ready(self, listener: socket.socket) -> None:
        self.url = url_of(listener)
        emit("endpoint.ready", host=self._settings.host, url=self.url)
        self.ready.set()


class _Server(uvicorn.Server):
    """uvicorn, told apart from its own ideas about signals and start-up."""

    def __init__(self, service: Service, on_started: Callable[[], None]) -> None:
        document = openapi_document(OPERATIONS, service.settings)
        service.documents["openapi"] = codecs.to_json(document)
        service.documents["docs"] = docs_page(OPERATIONS, service.settings)
        self._service = service
        self._on_started = on_started
        app = App(service, OPERATIONS)
        super().__init__(
            uvicorn.Config(
                _never,
                interface="asgi3",
                http=self._connection,  # type: ignore[arg-type]
                ws="none",
                lifespan="off",
                log_config=None,
                proxy_headers=False,
                server_header=False,
                headers=[("cache-control", "no-store")],  # a cache may guess (RFC 9111, 4.2.2)
                backlog=BACKLOG,
                timeout_graceful_shutdown=round(service.settings.drain_seconds),
            )
        )
        bound = within_descriptors(service.settings.max_connections)
        service.max_subscribers = streams_within(bound, service.settings.max_subscribers)
        self._connections = Connections(app, bound, self.server_state)

    def _connection(self, **_uvicorn: Any) -> Connection:
        return Connection(self._connections, asyncio.get_running_loop())

    def leave(self) -> None:
        """Not ready from now on; after the notice, drain. Told twice, drain at once."""
        if self._service.leaving or not self._service.settings.notice_seconds:
            self._drain()
            return
        self._service.leave()
        emit("endpoint.leaving", drain_in_seconds=self._service.settings.notice_seconds)
        loop = asyncio.get_running_loop()
        loop.call_later(self._service.settings.notice_seconds, self._drain)

    def _drain(self) -> None:
        """Stop accepting, let what is under way finish."""
        self._service.drain()
        self._connections.closing = True
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        self._on_started()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """uvicorn raises the signal again after serving, which would end the process before
        the last group is committed; `_signals` does what is needed."""
        yield


async def _never(_scope: Any, _receive: Any, _send: Any) -> None:
    """uvicorn wants an ASGI application; `Connection` answers without one."""
    raise AssertionError("no request comes this way")


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, drain: Callable[[], None]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    numbers, wishes = stop_signals(), StopWishes()

    def on_signal(number: signal.Signals) -> None:
        if wishes.heeds(number):
            drain()

    for number in numbers:
        loop.add_signal_handler(number, on_signal, number)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)
