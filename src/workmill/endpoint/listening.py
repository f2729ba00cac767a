"""The listening socket: made here, or inherited from whoever outlives this process.

A supervisor makes it once and holds it open while a dead endpoint is replaced: the port
stays taken, and a client that connects in between waits in the kernel's queue instead of
being refused.
"""

from __future__ import annotations

import socket
from typing import Final

from workmill.domain.errors import Unavailable
from workmill.endpoint.settings import EndpointSettings

BACKLOG: Final = 2048
"""Connections that the kernel keeps waiting while nobody accepts (capped by somaxconn)."""


def listener_of(settings: EndpointSettings) -> socket.socket:
    """The inherited socket, or a new one. Raises Unavailable when the address cannot be had."""
    if settings.listen_fd is not None:
        return socket.socket(fileno=settings.listen_fd)
    return listen(settings.host, settings.port)


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`:`port`; port 0 lets the kernel choose.

    Raises Unavailable when the address cannot be had.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise Unavailable(
            f"Cannot listen on {host} port {port}: {error.strerror}. Nothing was started. "
            "Stop whatever uses that address, or choose another with --port."
        ) from None


def url_of(listener: socket.socket) -> str:
    """Where a process on this machine reaches the listener, any-address turned to loopback."""
    host, port = listener.getsockname()[:2]
    return f"http://{reached(host)}:{port}"


def reached(host: str) -> str:
    """How a URL on this machine names what listens on `host`, any-address turned to loopback."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"[{host}]" if ":" in host else host
