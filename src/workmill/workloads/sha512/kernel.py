"""Which kernel runs here: the C one in its best variant, or hashlib when it was not built.

Both give the same bytes. The C kernel releases the GIL and moves `LANES` chains at once;
the hashlib loop moves one, and takes the GIL for every iteration.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Mapping, Sequence
from typing import Final

from workmill.workloads.port import Body

try:
    from workmill.workloads.sha512 import _chains
except ImportError:  # no compiler when this was installed
    _chains = None  # type: ignore[assignment]

HASHLIB: Final = "hashlib"

VARIANTS: Final[Mapping[str, int]] = {HASHLIB: 1, **(_chains.variants() if _chains else {})}
"""Every variant that runs on this machine with its number of lanes, the best one last."""

BEST: Final = list(VARIANTS)[-1]
LANES: Final = VARIANTS[BEST]


def kernel_name() -> str:
    """The variant that `advance` uses: "avx512", "avx2", "sse2", "plain" or "hashlib"."""
    return BEST


def advance_with(variant: str, states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
    """Each state moved on by its own count, by this one of `VARIANTS`. Takes valid input only."""
    if variant == HASHLIB:
        return [_hashlib_chain(state, count) for state, count in zip(states, counts, strict=True)]
    return _cut(_chains.advance(b"".join(states), array("Q", counts), variant))


def fold_with(variant: str, bodies: Sequence[Body]) -> list[bytes]:
    """The digest of each body, by this one of `VARIANTS`. Takes valid input only."""
    if variant == HASHLIB:
        return [hashlib.sha512(body).digest() for body in bodies]
    return _cut(_chains.fold(tuple(bodies), variant))


def folder_of(messages: int) -> str:
    """The variant that is best for so many messages.

    One message fills one lane, and OpenSSL, behind hashlib, has assembly for one.
    """
    return BEST if messages > 1 < LANES else HASHLIB


def _cut(joined: bytes) -> list[bytes]:
    return [joined[start : start + 64] for start in range(0, len(joined), 64)]


def _hashlib_chain(state: bytes, count: int) -> bytes:
    for _ in range(count):
        state = hashlib.sha512(state).digest()
    return state
