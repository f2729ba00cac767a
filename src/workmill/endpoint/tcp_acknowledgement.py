"""Whether what was written to a connection is with the caller's machine.

A caller that has closed everything and one that has only ended its sending look alike until
something is sent to them: the first one's kernel answers with a reset, the other's takes it. So
after an answer was written the kernel is asked whether every byte has been acknowledged, which it
still knows after a reset (tcp(7): SIOCOUTQ, and `tcpi_bytes_acked` of TCP_INFO).

A reset alone says nothing: HAProxy, for one, ends a connection that it has read from with a reset,
which may come without the acknowledgement of what it has read. So a reset of a connection whose
caller had not ended its sending counts as taken, once the kernel had all of the answer: it was
written to a live connection. A proxy takes an answer for its caller; what becomes of it behind the
proxy cannot be known here.

Whether the caller had ended its sending is asked of the kernel too: the loop hears of it when it
reads, and it does not read while there is something left of what was sent ahead. Before a reset the
state of the connection says so; after it the error does, which is EPIPE only when the end came
first (`tcp_reset` of the kernel). Once our side is closed neither tells, so from then on an
acknowledgement alone counts.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import socket
import struct
import sys
import termios
from typing import Final

_CLOSED: Final = 7
"""TCP_CLOSE of <netinet/tcp.h>: after a reset, or before anything."""
_ENDED: Final = frozenset({8, 9, 11})
"""TCP_CLOSE_WAIT, TCP_LAST_ACK and TCP_CLOSING: the caller sends no more."""
_ACKED_AT: Final = 120
"""Where `struct tcp_info` of <linux/tcp.h> has `tcpi_bytes_acked`, 8 bytes (Linux 4.1)."""
_INFO_BYTES: Final = _ACKED_AT + 8


class Arrival:
    """The bytes written to one connection since its beginning, and how far they have come."""

    __slots__ = ("_at_loss", "_handed_over", "_loop", "_transport", "_written_bytes", "half_closed")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self.half_closed = False
        """The caller sends no more: from now on an acknowledgement alone counts."""
        self._transport = transport
        self._loop = loop
        self._written_bytes = 0
        self._handed_over = False
        self._at_loss: bool | None = None

    def wrote(self, size_bytes: int, *, watched: bool) -> None:
        """So many more bytes were written; `watched` when somebody will ask about them."""
        self._written_bytes += size_bytes
        self._handed_over = False
        if watched:  # the loop writes at the end of this turn, and hears of a reset in the next
            self._loop.call_soon(self._look_at_buffer)

    def lose(self, error: Exception | None = None) -> None:
        """The connection is lost, by this error: what is known now is all that will be."""
        if isinstance(error, BrokenPipeError):  # told once, and the loop was told it
            self.half_closed = True
        if self._at_loss is None:
            self._at_loss = self._after_reset()

    def refuse(self) -> None:
        """Something could not be written any more."""
        self._at_loss = False

    def known(self) -> bool | None:
        """True when all of it is there, False when it never will be, None while nobody knows."""
        if self._at_loss is not None:
            return self._at_loss
        line = self._socket()
        if line is None or self._state(line) == _CLOSED:
            return self._after_reset()
        self._look_at_buffer()
        return True if self._handed_over and not _unacknowledged_bytes(line) else None

    def _state(self, line: socket.socket) -> int:
        """Of the connection, as the kernel has it; what it says of the caller's end is kept."""
        state = _info(line)[0]
        if state in _ENDED or (
            state == _CLOSED and line.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.EPIPE
        ):
            self.half_closed = True
        return state

    def _after_reset(self) -> bool:
        line = self._socket()
        if line is not None:
            self._state(line)
        if self._handed_over and not self.half_closed:
            return True
        return line is not None and _acked_bytes(_info(line)) >= self._written_bytes

    def _look_at_buffer(self) -> None:
        if not self._transport.get_write_buffer_size():
            self._handed_over = True

    def _socket(self) -> socket.socket | None:
        line: socket.socket | None = self._transport.get_extra_info("socket")
        return line if line is not None and line.fileno() >= 0 else None


def _info(line: socket.socket) -> bytes:
    return line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _INFO_BYTES)


def _acked_bytes(info: bytes) -> int:
    return int.from_bytes(info[_ACKED_AT:_INFO_BYTES], sys.byteorder)


def _unacknowledged_bytes(line: socket.socket) -> int:
    (size,) = struct.unpack("i", fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, b"\0\0\0\0"))
    return int(size)
