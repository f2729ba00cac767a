"""Data that is not in memory, read piece by piece as it is sent or folded.

Theory. What a file system says of a file's size is a promise about most files and about none of
`/proc`, `/sys`, pipes and devices, and any file may change while it is read. So the beginning is
read before anything is said: what ends within it is sent as it is, and again in every repeat. A
longer regular file goes with its length, and is held to it: when it turns out to be longer, shorter
or written to meanwhile, the last piece is never sent, so that no job can come of it. Whatever else
is longer goes without a length, and once: it cannot be read again.
"""

from __future__ import annotations

import io
import os
import stat
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO, Final, TypeAlias

from workmill.client.values import Stream
from workmill.domain.errors import InvalidInput

CHUNK_BYTES: Final = 256 * 1024
_OPEN_IT: Final = "Open it in binary mode for reading. No job was stored."

Heard: TypeAlias = Callable[[int], object]
"""Hears how many bytes of the file are done with."""

_Mark: TypeAlias = tuple[int, int, int, int]
"""Device, inode, size and time of the last change: the same as long as nobody wrote to the file."""


def unheard(_done_bytes: int) -> None:
    """Nobody watches."""


class Body:
    """One reading of a source, piece by piece: `length` in bytes, where it is known.

    `failure` is what reading, or telling how far it is, raised: the caller's own error.
    """

    def __init__(
        self,
        length: int | None,
        chunks: Generator[bytes, None, None],
        file: IO[bytes] | None = None,
    ) -> None:
        self.length = length
        self.started = False
        self.failure: BaseException | None = None
        self._chunks = chunks
        self._file = file
        self._busy = self._over = False

    def take(self) -> bytes | None:
        """The next chunk; None at the end. May wait: the file may be a pipe."""
        self.started = self._busy = True
        try:
            return next(self._chunks, None)
        except Exception as error:
            self.failure = error
            raise
        finally:
            self._busy = False
            if self._over:
                self.close()

    def close(self) -> None:
        """Close what was opened for it, unless a thread waits for it: then when that has ended."""
        self._over = True
        if self._file is not None and not self._busy:
            self._file.close()


class Source:
    """A file or a stream, to be read once for every attempt to send it."""

    def __init__(self, data: Path | Stream, heard: Heard = unheard) -> None:
        self._data = data
        self._heard = heard
        self._kept: bytes | None = None
        self._mark: _Mark | None = None
        self._once: Body | None = None

    @property
    def spent(self) -> bool:
        """Whether bytes were taken from it that nobody can read again."""
        return self._once is not None and self._once.started

    def begin(self) -> Body:
        """Open it and read its beginning; close the body afterwards. Raises OSError when it cannot
        be read, and InvalidInput when it has changed since it was read last."""
        if self._kept is not None:
            return Body(len(self._kept), self._whole(self._kept))
        if self._once is not None:
            if self._once.started:
                raise InvalidInput("This stream was read already. Open it again, and submit anew.")
            return self._once
        if not isinstance(self._data, Path):
            return self._begin_with(self._data, None)
        file = _opened(self._data)
        try:
            return self._begin_with(file, file)
        except BaseException:
            file.close()
            raise

    def end(self, body: Body) -> None:
        """This attempt is over. What nobody took of a stream is kept for the next."""
        if body.started or body is not self._once:
            body.close()

    def close(self) -> None:
        """It will not be read again."""
        if self._once is not None:
            self._once.close()

    def chunks(self) -> Iterator[bytes]:
        """All of it, in pieces, read here."""
        body = self.begin()
        try:
            while (chunk := body.take()) is not None:
                yield chunk
        finally:
            body.close()

    def _begin_with(self, stream: Stream, file: IO[bytes] | None) -> Body:
        first = self._filled(stream)
        if len(first) < CHUNK_BYTES:
            if file is not None:
                file.close()
            self._kept = first
            return Body(len(first), self._whole(first))
        mark = _mark_of(file, len(first))
        if file is None or mark is None:
            self._once = Body(None, self._as_it_comes(stream, first), file)
            return self._once
        if self._mark not in {None, mark}:
            raise _changed(self._data)
        self._mark = mark
        return Body(mark[2], self._held_to(file, mark, first), file)

    def _whole(self, content: bytes) -> Generator[bytes, None, None]:
        if content:
            yield content
            self._heard(len(content))

    def _as_it_comes(self, stream: Stream, chunk: bytes) -> Generator[bytes, None, None]:
        done_bytes = 0
        while chunk:
            yield chunk
            done_bytes += len(chunk)
            self._heard(done_bytes)
            chunk = self._piece(stream)

    def _held_to(self, file: IO[bytes], mark: _Mark, chunk: bytes) -> Generator[bytes, None, None]:
        done_bytes = 0
        while chunk:
            done_bytes += len(chunk)
            following = self._piece(file)
            ends = not following and (done_bytes, _mark(file)) != (mark[2], mark)
            if ends or done_bytes + len(following) > mark[2]:
                raise _changed(self._data)
            yield chunk
            self._heard(done_bytes)
            chunk = following

    def _filled(self, stream: Stream) -> bytes:
        """The first `CHUNK_BYTES`; less only when there is no more."""
        pieces: list[bytes] = []
        left = CHUNK_BYTES
        while left > 0 and (piece := self._piece(stream, left)):
            pieces.append(piece)
            left -= len(piece)
        return b"".join(pieces)

    def _piece(self, stream: Stream, size: int = CHUNK_BYTES) -> bytes:
        """At most so many bytes; the error of a file has its name."""
        try:
            return _piece(stream, size)
        except OSError as error:
            if isinstance(self._data, Path) and error.filename is None and error.errno is not None:
                error.filename = str(self._data)
            raise


def _opened(path: Path) -> IO[bytes]:
    if "\0" in str(path):
        raise InvalidInput("No file has a zero byte in its name. Nothing was sent.")
    return path.open("rb")


def _piece(stream: Stream, size: int) -> bytes:
    try:
        piece = stream.read(size)
    except StopIteration:
        raise InvalidInput(
            "This stream's read() raised StopIteration; at its end it gives b''. No job was stored."
        ) from None
    except io.UnsupportedOperation:
        raise InvalidInput(f"This stream is not open for reading. {_OPEN_IT}") from None
    except ValueError:
        if getattr(stream, "closed", False) is True:
            raise InvalidInput(f"This stream is closed. {_OPEN_IT}") from None
        raise
    if not isinstance(piece, bytes | bytearray | memoryview):
        raise InvalidInput(
            f"Data is read as bytes, and this stream gave {type(piece).__name__}. Open it in "
            "binary mode. No job was stored."
        )
    return bytes(piece)


def _mark_of(file: IO[bytes] | None, read_bytes: int) -> _Mark | None:
    """The mark of a regular file whose size can be true."""
    with suppress(OSError):
        if file is not None and stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            mark = _mark(file)
            return mark if mark[2] >= read_bytes else None
    return None


def _mark(file: IO[bytes]) -> _Mark:
    seen = os.fstat(file.fileno())
    return seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns


def _changed(data: object) -> InvalidInput:
    return InvalidInput(
        f"{str(data)[:200]!r} was written to while it was read. No job was stored over a part of "
        "it. Submit it when it is complete, or a copy of it."
    )
