"""Whether what was written to a connection is with the caller's machine.

A caller that has closed everything and one that has only ended its sending look alike until
something is sent to them: the first one's kernel answers with a reset, the other's takes it. So
after an answer was written the kernel is asked whether the connection still stands, and whether
every byte has been acknowledged (tcp(7), SIOCOUTQ). A proxy in between takes an answer for its
caller; what becomes of it behind the proxy cannot be known here.
"""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from typing import Final

_CLOSED: Final = 7
"""TCP_CLOSE of <netinet/tcp.h>: after a reset, or before anything."""


def has_arrived(transport: asyncio.Transport) -> bool | None:
    """True when all of it is there, False when it never will be, None when that is not known."""
    line = transport.get_extra_info("socket")
    if line is None or line.fileno() < 0:
        return False
    if line.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSED:
        return False
    if transport.get_write_buffer_size():
        return None
    unacknowledged = fcntl.ioctl(line.fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
    return True if struct.unpack("i", unacknowledged)[0] == 0 else None
