"""A body in chunks (RFC 9112, section 7.1): its data out of its frames, strictly.

Chunk extensions are ignored, as they must be. Trailers are read to find the end and dropped:
nothing that comes behind a body takes part in deciding about it (RFC 9110, section 6.5.1).
"""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from workmill.domain.errors import HeadTooLarge, MalformedRequest
from workmill.endpoint.request_head import FIELD_LINE

MAX_CHUNK_LINE_BYTES: Final = 4096
"""A chunk's size with its extensions."""
MAX_TRAILER_BYTES: Final = 16 * 1024
"""All trailers of one body."""
_SIZE: Final = re.compile(rb"([0-9A-Fa-f]{1,16})(?:;[\t\x20-\x7e\x80-\xff]*+|[ \t]*+)\r\n")


class _At(Enum):
    SIZE = auto()
    DATA = auto()
    DATA_END = auto()
    TRAILERS = auto()


class ChunkedBody:
    """One body on its way in."""

    def __init__(self) -> None:
        self.ended = False
        self._at = _At.SIZE
        self._left = 0
        self._line = b""
        self._trailer_bytes = 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """The body's bytes in `data`, and what lies behind the body's end.

        Raises MalformedRequest for a broken frame and HeadTooLarge for one without bounds.
        """
        pieces: list[bytes] = []
        at = 0
        while at < len(data) and not self.ended:
            if self._at is _At.DATA:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._at = _At.DATA_END
            else:
                at = self._take_line(data, at)
        return pieces[0] if len(pieces) == 1 else b"".join(pieces), data[at:]

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at) + 1
        self._line += data[at : end or len(data)]
        self._check_line_bound()
        if end:
            line, self._line = self._line, b""
            self._take(line)
        return end or len(data)

    def _check_line_bound(self) -> None:
        if self._at is _At.DATA_END:
            if not b"\r\n".startswith(self._line):
                raise _broken("a chunk is longer than it says")
        elif self._at is _At.SIZE:
            if len(self._line) > MAX_CHUNK_LINE_BYTES:
                raise HeadTooLarge(f"A chunk's line has at most {MAX_CHUNK_LINE_BYTES} bytes.")
        elif self._trailer_bytes + len(self._line) > MAX_TRAILER_BYTES:
            raise HeadTooLarge(f"Trailers have at most {MAX_TRAILER_BYTES} bytes.")

    def _take(self, line: bytes) -> None:
        """One whole line of the frame."""
        if self._at is _At.SIZE:
            size = _SIZE.fullmatch(line)
            if size is None:
                raise _broken("a chunk's size cannot be read")
            self._left = int(size[1], 16)
            self._at = _At.DATA if self._left else _At.TRAILERS
        elif self._at is _At.DATA_END:
            self._at = _At.SIZE
        elif line == b"\r\n":
            self.ended = True
        elif FIELD_LINE.fullmatch(line):
            self._trailer_bytes += len(line)
        else:
            raise _broken("a trailer is malformed")


def _broken(what: str) -> MalformedRequest:
    return MalformedRequest(f"The body's chunks are broken: {what}. Nothing was stored.")
