"""A socket to a server whose replies have a deadline and a bound.

A reply is held to the pace of `domain.pace`, and has no more than `MAX_REPLY_BYTES`. The driver
knows neither bound; it takes what is raised here for a connection that was lost.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Callable
from functools import cache
from typing import Any, Final

from workmill.domain.pace import Pace

MAX_REPLY_BYTES: Final = 128 * 1024 * 1024
"""More than all results of the longest pull, each with the largest state."""


class PacedSocket:
    """Everything that the socket is, but for what it reads."""

    def __init__(
        self, open_socket: socket.socket, seconds: float, ticks: Callable[[], float]
    ) -> None:
        """With `seconds` for what the driver says first."""
        self._socket = open_socket
        self._ticks = ticks
        self.begin(seconds)

    def begin(self, seconds: float) -> None:
        """A reply is waited for from now on."""
        self._pace = Pace(seconds, self._ticks)
        self._read_bytes = 0

    def recv_into(self, buffer: bytearray) -> int:
        """See `socket.recv_into`. Raises TimeoutError at the deadline, OSError at the bound."""
        size_bytes = self._socket.recv_into(buffer)
        self._read_bytes += size_bytes
        if self._read_bytes > MAX_REPLY_BYTES:
            raise OSError(f"its reply is longer than {MAX_REPLY_BYTES} bytes")
        self._pace.moved(size_bytes)
        if self._pace.left() < 0:
            raise TimeoutError
        return size_bytes

    def __getattr__(self, name: str) -> Any:
        """What else the driver asks of a socket."""
        return getattr(self._socket, name)


class _Paced:
    """Before the driver's own classes."""

    def __init__(
        self, *, seconds: float, ticks: Callable[[], float] = time.monotonic, **options: Any
    ) -> None:
        self._seconds = seconds
        self._ticks = ticks
        super().__init__(**options)

    def _connect(self) -> PacedSocket:
        made: Any = super()
        self.paced = PacedSocket(made._connect(), self._seconds, self._ticks)  # noqa: SLF001
        return self.paced


@cache
def paced(kind: type) -> Any:
    """This class of the driver's connections, with a `PacedSocket` called `paced`, and one argument
    more: the `seconds` for all that is said while a connection is made."""
    return type(kind.__name__, (_Paced, kind), {})
