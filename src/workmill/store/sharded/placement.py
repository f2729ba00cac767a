"""Which part takes what: a pure function of a content key, or of an id, and the number of parts.

Theory. Jump consistent hashing (Lamping and Veach, 2014). Parts are numbered and only ever added
at the end; of what lay on n parts, the new one takes 1/(n + 1), and nothing else moves. It costs
about ln(n) steps, where rendezvous hashing would hash once for each part: at 64 parts that is four
steps against 64 for every job.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import Final

MAX_PARTS: Final = 64
"""What the mark in an id can tell apart."""
_WORD: Final = 2**64 - 1


def place(key: bytes, parts: int) -> int:
    """The part that takes new work with this content key. Its last bytes decide; a part finds work
    by the first ones."""
    return _jump(int.from_bytes(key[-8:], "big"), parts)


def home(job_id: bytes, parts: int) -> int:
    """The part that knows where the job of this id lies, when the id does not say it."""
    return _jump(int.from_bytes(blake2b(job_id, digest_size=8).digest(), "big"), parts)


def _jump(key: int, parts: int) -> int:
    chosen, following = 0, 0
    while following < parts:
        chosen = following
        key = (key * 2862933555777941757 + 1) & _WORD
        following = int((chosen + 1) * (2**31 / ((key >> 33) + 1)))
    return chosen
