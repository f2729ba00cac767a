"""Whether the one who reads our standard output has taken what was written.

A pipe takes some 64 KiB that nobody may ever read: `workmill pull | head -1` wrote ten results, and
nine were thrown away by the kernel. So what must not be lost is handed over piece by piece, and
counts once the pipe is empty again. A reader that takes nothing for `STALL_SECONDS` may have its
reasons (a pager, a program that reads at its end): it is not waited for again, only its end is
still noticed.
"""

from __future__ import annotations

import errno
import fcntl
import io
import os
import select
import stat
import struct
import termios
import time
from typing import Final, TextIO

from workmill.cli.console import Unwritable

STALL_SECONDS: Final = 2.0
SPINS: Final = 100
"""A reader that waits takes a line within microseconds; sleeping for that long is not possible."""
PAUSE_SECONDS: Final = 0.001


class Reader:
    """The reader of a stream, as far as a pipe lets it be seen."""

    def __init__(self, stream: TextIO | None) -> None:
        self._pipe = _pipe_of(stream)
        self._stalled = False
        self._ends = select.poll()
        if self._pipe is not None:
            self._ends.register(self._pipe, 0)

    def has_taken_all(self) -> bool:
        """Wait until the pipe is empty. False when that cannot be told: for a reader that has
        stalled, and for what is no pipe. Raises Unwritable when it left with something unread."""
        if self._pipe is None:
            return False
        deadline = time.monotonic() + (0.0 if self._stalled else STALL_SECONDS)
        looks = 0
        while self._unread_bytes():
            if self._ends.poll(0):
                raise Unwritable(BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)))
            if time.monotonic() >= deadline:
                self._stalled = True
                return False
            looks += 1
            time.sleep(0.0 if looks < SPINS else PAUSE_SECONDS)
        return True

    def _unread_bytes(self) -> int:
        """Linux tells it at both ends of a pipe (FIONREAD, pipe(7))."""
        place = self._pipe if self._pipe is not None else -1
        (count,) = struct.unpack("i", fcntl.ioctl(place, termios.FIONREAD, bytes(4)))
        return int(count)


def _pipe_of(stream: TextIO | None) -> int | None:
    try:
        place = -1 if stream is None else stream.fileno()
        return place if stat.S_ISFIFO(os.fstat(place).st_mode) else None
    except (OSError, io.UnsupportedOperation):
        return None
