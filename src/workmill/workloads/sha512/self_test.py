"""A kernel is used once it has given hashlib's bytes on this very machine.

A processor, or a hypervisor that shows one, may offer instructions that it carries out wrongly, and
a result that is wrong would be handed out to everybody who ever asks for that work. So each variant
answers known questions when it is loaded (a known-answer test, as FIPS 140-3 asks of a module
before its first use): chains of different lengths in every lane, and bodies around the ends of a
block of 128 bytes. It takes about a millisecond.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from typing import Final

BODY_BYTES: Final = (0, 1, 111, 112, 127, 128, 129, 300)
"""FIPS 180-4, section 5.1.2: from 112 bytes on the padding takes a block more."""
LONGEST_CHAIN: Final = 5
"""Iterations."""


def is_right(
    advance: Callable[[Sequence[bytes], Sequence[int]], list[bytes]],
    fold: Callable[[Sequence[bytes]], list[bytes]],
    lanes: int,
) -> bool:
    """Whether both give what hashlib gives, with more chains than there are lanes."""
    bodies = [bytes([size & 0xFF]) * size for size in BODY_BYTES] * (1 + lanes // len(BODY_BYTES))
    states = [hashlib.sha512(bytes([number])).digest() for number in range(2 * lanes + 1)]
    counts = [number % (LONGEST_CHAIN + 1) for number in range(len(states))]
    return fold(bodies) == [hashlib.sha512(body).digest() for body in bodies] and advance(
        states, counts
    ) == [chain(state, count) for state, count in zip(states, counts, strict=True)]


def chain(state: bytes, count: int) -> bytes:
    """A 64-byte state hashed on by `count` iterations, by hashlib."""
    for _ in range(count):
        state = hashlib.sha512(state).digest()
    return state
