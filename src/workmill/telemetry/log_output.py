"""Standard output and error of a process that serves: whoever reads them cannot hold it up. And of
a command, which waits for its reader: `Whole`.

Theory. A write to a pipe that nobody empties, or to a terminal that was stopped with Ctrl-S, waits
for ever, and with it the thread that logs. The description behind the descriptor is shared with
other processes, so it cannot be made non-blocking, and asking first (poll) is a race with them. So
one thread for each of the two writes, and everybody else hands over whole pieces in a bounded
queue. What does not fit, or cannot be written (the reader is gone, the disk is full), is dropped
and counted, and the count is the first thing written when it goes on. Python's own warnings and
tracebacks, and what libraries print, go the same way: they write to `sys.stderr`.
"""

from __future__ import annotations

import atexit
import errno
import io
import os
import select
import sys
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from typing import Final

MAX_WAITING_BYTES: Final = 1024 * 1024
"""Per descriptor; about five thousand lines."""
FLUSH_SECONDS: Final = 1.0
"""How long the end of a process waits for a reader."""


class Whole(io.RawIOBase):
    """A binary stream into `descriptor` that writes all it is given, or raises OSError. A system
    may take a part (the disk fills up, a limit on files) or, from a descriptor that somebody has
    made non-blocking, nothing for now. Python's unbuffered streams (`PYTHONUNBUFFERED`) return
    that count, its text streams do not look at it, and the rest is lost without a word.

    It waits for its reader, until a command is told to leave; then for `FLUSH_SECONDS`."""

    _leaving = False

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._last_wait_seconds = FLUSH_SECONDS

    @classmethod
    def leave(cls) -> None:
        """From now on no reader is waited for any longer than the end of a process may take."""
        cls._leaving = True

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # only bytes are given
        left = memoryview(data)
        while left:
            if not self._leaving:
                left = _write_some(self._descriptor, left)
            elif _wait_until_writable(self._descriptor, self._last_wait_seconds):
                piece = left[: select.PIPE_BUF]  # which is taken without a wait
                left = left[len(piece) - len(_write_some(self._descriptor, piece)) :]
            else:
                self._last_wait_seconds = 0.0
                raise BlockingIOError(errno.EAGAIN, "Its reader takes nothing")
        return len(data)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)


def write_whole(stream: io.TextIOWrapper, descriptor: int) -> io.TextIOWrapper:
    """The stream for a command that leads where this one does; this one itself, when a program
    around us (a test, a notebook) has put its own streams there."""
    if not _leads_to(stream, descriptor):
        return stream
    with suppress(OSError):
        stream.flush()
    return _text(Whole(descriptor), stream.encoding, line_buffering=stream.line_buffering)


Told = Callable[[int], bytes]
"""The line that says how many lines were dropped."""


class Output(io.RawIOBase):
    """A binary stream into `descriptor` whose `write` never waits."""

    def __init__(self, descriptor: int, told: Told | None = None) -> None:
        self._descriptor, self._told = descriptor, told
        self._waiting: deque[bytes] = deque()
        self._waiting_bytes = 0
        self._dropped = 0
        self._torn = False
        """Whether a line was begun and could not be ended."""
        self._changed = threading.Condition()
        threading.Thread(target=self._write_all, name="output", daemon=True).start()

    def write(self, data: bytes, /) -> int:  # type: ignore[override]  # only bytes are given
        """Hand over a piece: one or more whole lines."""
        piece = bytes(data)
        with self._changed:
            if self._waiting_bytes + len(piece) > MAX_WAITING_BYTES:
                self._dropped += piece.count(b"\n") or 1
            else:
                self._waiting.append(piece)
                self._waiting_bytes += len(piece)
                self._changed.notify_all()
        return len(piece)

    def drain(self, seconds: float = FLUSH_SECONDS) -> bool:
        """Wait until everything is written, at most so long; whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._waiting, seconds)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)

    def _write_all(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting)
                piece, dropped = self._waiting[0], self._dropped
            if dropped and self._told is not None and self._written(self._told(dropped)):
                with self._changed:
                    self._dropped -= dropped
            written = self._written(piece)
            with self._changed:
                self._dropped += 0 if written else piece.count(b"\n") or 1
                self._waiting_bytes -= len(self._waiting.popleft())
                self._changed.notify_all()

    def _written(self, piece: bytes) -> bool:
        """Write all of it, however long that takes; whether that was possible."""
        whole = memoryview(b"\n" + piece if self._torn else piece)
        left = whole
        while left:
            try:
                left = _write_some(self._descriptor, left)
            except OSError:
                self._torn = self._torn or len(left) < len(whole)
                return False
        self._torn = False
        return True


def _write_some(descriptor: int, left: memoryview) -> memoryview:
    """What is left after one write, however long that takes. Raises OSError."""
    while True:
        try:
            return left[os.write(descriptor, left) :]
        except BlockingIOError:  # somebody who shares the descriptor has made it so
            _wait_until_writable(descriptor)


def _wait_until_writable(descriptor: int, seconds: float | None = None) -> bool:
    ready = select.poll()
    ready.register(descriptor, select.POLLOUT)
    return bool(ready.poll(None if seconds is None else seconds * 1000.0))


_outputs: list[Output] = []


def keep_output_flowing(told: Told) -> None:
    """Write what goes to `sys.stdout` and `sys.stderr` in threads from now on, unless a program
    around us (a test, a notebook) has put its own streams there. `told` makes the line about
    lines that were dropped. What still waits when the process ends has `FLUSH_SECONDS`."""
    for name, descriptor, line in (("stdout", 1, None), ("stderr", 2, told)):
        stream = getattr(sys, name)
        if isinstance(stream, io.TextIOWrapper) and _leads_to(stream, descriptor):
            with suppress(OSError):
                stream.flush()
            output = Output(descriptor, line)
            _outputs.append(output)
            setattr(sys, name, _text(output, stream.encoding))
    atexit.register(flush_output)


def flush_output(seconds: float = FLUSH_SECONDS) -> None:
    """Before a process ends or becomes another program: wait for what was said to be written."""
    for output in _outputs:
        output.drain(seconds)


def _leads_to(stream: io.TextIOWrapper, descriptor: int) -> bool:
    if isinstance(stream.buffer, Output):
        return False
    try:
        return stream.fileno() == descriptor
    except (OSError, ValueError):
        return False


def _text(
    output: Output | Whole, encoding: str, *, line_buffering: bool = True
) -> io.TextIOWrapper:
    return io.TextIOWrapper(
        output,  # type: ignore[arg-type]  # its `write` takes all it is given
        encoding=encoding,
        errors="backslashreplace",
        line_buffering=line_buffering,
    )
