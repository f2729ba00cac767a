"""What uvicorn does not have: bounds on connections and their silence, replies in one write."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from workmill.endpoint.corked import CorkedTransport

HEAD_SECONDS: Final = 15.0
"""Time from the opening of a connection to the end of its first request's head."""


class BoundedProtocol(HttpToolsProtocol):
    """An HTTP connection that is refused over the bound and closed when it stays silent."""

    max_connections = 0
    _head_timer: asyncio.TimerHandle | None = None

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
        self._head_timer = self.loop.call_later(HEAD_SECONDS, self._close_if_silent)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
        super().connection_lost(exc)

    def _close_if_silent(self) -> None:
        if self.cycle is None:
            self.transport.close()
