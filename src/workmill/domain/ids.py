"""Job ids: UUIDv7 (RFC 9562, section 5.7), 16 raw bytes inside, canonical text at the edges.

A version 7 id begins with the millisecond of its making, so ids made together lie
together in an index. A client may choose any UUID: its id is its idempotency key.

A store that is made of several parts names new jobs so that an id says in which part its job lies.
The mark takes the 12 bits behind the version: six for the part, six that check them. One foreign id
in 64 looks marked without being so, and whoever reads a mark must look further when it is wrong.
"""

from __future__ import annotations

import os
import zlib

from workmill.domain.clock import Clock, system_clock
from workmill.domain.errors import InvalidInput

ID_BYTES = 16
_TEXT_CHARACTERS = 36
ID_PATTERN = "^([0-9a-fA-F]{32}|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12})$"
"""What `parse_id` takes, for those who are told beforehand."""

_TAIL_BYTES = 10
_TAILS = 256
_MOST_MS = 2**48 - 1
_CLEAR = int.from_bytes(bytes([0x0F, 0xFF, 0x3F, *[0xFF] * 7]) * _TAILS, "big")
_SET = int.from_bytes(bytes([0x70, 0x00, 0x80, *[0x00] * 7]) * _TAILS, "big")
"""Where version 7 and the variant stand in the last ten bytes of an id, for many ids at once."""

_tails: list[bytes] = []
os.register_at_fork(after_in_child=_tails.clear)


def new_id(clock: Clock = system_clock) -> bytes:
    """A fresh UUIDv7 as 16 bytes: 48 bits of milliseconds, 74 random bits. Of a clock that stands
    before 1970, or far off, the same bits: an id need not tell the time."""
    return (clock() & _MOST_MS).to_bytes(ID_BYTES - _TAIL_BYTES, "big") + _tail()


def mark(job_id: bytes, part: int) -> bytes:
    """A version 7 id with the part in it, from 0 to 63."""
    bits = part << 6 | _check(job_id, part)
    return job_id[:6] + (0x7000 | bits).to_bytes(2, "big") + job_id[8:]


def marked(job_id: bytes) -> int | None:
    """The part that this id says it was made for; None when it says none."""
    bits = int.from_bytes(job_id[6:8], "big")
    part = bits >> 6 & 63
    return part if bits >> 12 == 7 and bits & 63 == _check(job_id, part) else None


def _check(job_id: bytes, part: int) -> int:
    return zlib.crc32(job_id[8:], part) & 63


def _tail() -> bytes:
    """The ten bytes behind the time, made for many ids at once.

    Each call of the system lets the interpreter lock go, and beside a busy thread winning it
    back costs far more than the bytes do. `list.pop` is atomic, so threads share the supply; a
    forked child drops it, or it would make the same ids as its parent.
    """
    try:
        return _tails.pop()
    except IndexError:
        random = int.from_bytes(os.urandom(_TAIL_BYTES * _TAILS), "big")
        supply = (random & _CLEAR | _SET).to_bytes(_TAIL_BYTES * _TAILS, "big")
        starts = range(_TAIL_BYTES, len(supply), _TAIL_BYTES)
        _tails.extend(supply[start : start + _TAIL_BYTES] for start in starts)
        return supply[:_TAIL_BYTES]


def id_text(job_id: bytes) -> str:
    """The canonical 36-character form of 16 id bytes."""
    text = job_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(text: str) -> bytes:
    """The 16 bytes of a UUID's text. Raises InvalidInput when it is no UUID."""
    digits = text
    if len(text) == _TEXT_CHARACTERS and text[8] == text[13] == text[18] == text[23] == "-":
        digits = text.replace("-", "")
    try:
        job_id = bytes.fromhex(digits) if len(digits) == 2 * ID_BYTES else b""
    except ValueError:
        job_id = b""
    if len(job_id) != ID_BYTES:
        raise InvalidInput(
            f"{text[:64]!r} is not a UUID. Nothing was stored. Send a UUID as the id."
        )
    return job_id
