"""The listening socket, made before any endpoint runs and outliving each of them.

The supervisor holds it open while a dead endpoint is replaced: the port stays taken, and
a client that connects in between waits in the kernel's queue instead of being refused.
"""

from __future__ import annotations

import socket
from typing import Final

from workmill.domain.errors import Unavailable

BACKLOG: Final = 1024
"""Connections that the kernel keeps waiting while nobody accepts (capped by somaxconn)."""


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens on `host`:`port`; port 0 lets the kernel choose.

    Raises Unavailable when the address cannot be had.
    """
    try:
        family, kind, proto, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        listener = socket.socket(family, kind, proto)
    except OSError as error:
        raise _refusal(host, port, error) from None
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        raise _refusal(host, port, error) from None
    return listener


def local_url(listener: socket.socket) -> str:
    """Where a process on this machine reaches the listener, any-address turned to loopback."""
    host, port = listener.getsockname()[:2]
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _refusal(host: str, port: int, error: OSError) -> Unavailable:
    return Unavailable(
        f"Cannot listen on {host} port {port}: {error.strerror or error}. Nothing was started. "
        f"Free the port, or choose another with --port."
    )
