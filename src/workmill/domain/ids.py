"""Job ids: UUIDv7 (RFC 9562, section 5.7), 16 raw bytes inside, canonical text at the edges.

A version 7 id begins with the millisecond of its making, so ids made together lie
together in an index. A client may choose any UUID: its id is its idempotency key.
"""

from __future__ import annotations

import os
import re
from typing import Final

from workmill.domain.clock import Clock, system_clock
from workmill.domain.errors import InvalidInput

ID_BYTES = 16
_UUID: Final = re.compile(r"X{8}(-?)X{4}\1X{4}\1X{4}\1X{12}".replace("X", "[0-9A-Fa-f]"))


_RANDOM_BYTES = 10
_RANDOMS_AT_ONCE = 256

_randoms: list[bytes] = []
os.register_at_fork(after_in_child=_randoms.clear)


def new_id(clock: Clock = system_clock) -> bytes:
    """A fresh UUIDv7 as 16 bytes: 48 bits of milliseconds, 74 random bits."""
    value = clock() << 80 | int.from_bytes(_random(), "big")
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return value.to_bytes(ID_BYTES, "big")


def _random() -> bytes:
    """Ten random bytes, fetched for many ids at once.

    Each call of the system lets the interpreter lock go, and beside a busy thread winning it
    back costs far more than the bytes do. `list.pop` is atomic, so threads share the supply; a
    forked child drops it, or it would make the same ids as its parent.
    """
    try:
        return _randoms.pop()
    except IndexError:
        supply = os.urandom(_RANDOM_BYTES * _RANDOMS_AT_ONCE)
        starts = range(0, len(supply), _RANDOM_BYTES)
        _randoms.extend(supply[start : start + _RANDOM_BYTES] for start in starts[1:])
        return supply[:_RANDOM_BYTES]


def id_text(job_id: bytes) -> str:
    """The canonical 36-character form of 16 id bytes."""
    text = job_id.hex()
    return f"{text[:8]}-{text[8:12]}-{text[12:16]}-{text[16:20]}-{text[20:]}"


def parse_id(text: str) -> bytes:
    """The 16 bytes of a UUID's text, with hyphens or without. Raises InvalidInput for any other."""
    if not _UUID.fullmatch(text):
        raise InvalidInput(
            f"{text[:64]!r} is not a UUID. Nothing was stored. Send a UUID as the id."
        )
    return bytes.fromhex(text.replace("-", ""))
