"""Iterated SHA-512: `fold` hashes the data once, `advance` hashes 64-byte states on and on.

The state after n iterations is the digest after n iterations, so any state is a result.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final

from workmill.domain.errors import InvalidInput
from workmill.workloads.port import Body, Folding
from workmill.workloads.sha512.kernel import (
    BEST,
    LANES,
    advance_with,
    fold_with,
    folder_of,
    kernel_name,
)

__all__ = [
    "MAX_COUNT",
    "STATE_BYTES",
    "WORKLOAD",
    "Sha512",
    "advance",
    "fold",
    "fold_all",
    "kernel_name",
]

STATE_BYTES: Final = 64
MAX_COUNT: Final = 2**63 - 1
"""The most iterations that one call takes for one chain."""


def folding() -> Folding:
    """Begin to hash data that arrives in pieces."""
    return hashlib.sha512()


def fold(chunks: Iterable[bytes]) -> bytes:
    """The first iteration: the 64-byte digest of all chunks together."""
    digest = hashlib.sha512()
    for chunk in chunks:
        digest.update(chunk)
    return digest.digest()


def fold_all(bodies: Sequence[Body]) -> list[bytes]:
    """The 64-byte digest of each body, in order; many at once, and without the GIL.

    Runs to its end. Raises InvalidInput, having computed nothing, unless all are `bytes` or
    read-only views.
    """
    for index, body in enumerate(bodies):
        if not (body.readonly if isinstance(body, memoryview) else isinstance(body, bytes)):
            raise InvalidInput(
                f"Body {index} is not bytes or a read-only view; nothing was computed."
            )
    return fold_with(folder_of(len(bodies)), bodies)


def advance(states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
    """Each 64-byte state hashed on by its own count of iterations (0 allowed), in order.

    Runs to its end without the GIL: give it slices. Chains are taken in the order given,
    each by the first lane that is free. Raises InvalidInput, having computed nothing, unless
    there are as many counts as states, and all are well-formed.
    """
    _check(states, counts)
    return advance_with(BEST, states, counts)


def _check(states: Sequence[bytes], counts: Sequence[int]) -> None:
    if len(states) != len(counts):
        raise InvalidInput(
            f"There are {len(states)} states but {len(counts)} counts; nothing was computed."
        )
    for index, state in enumerate(states):
        if not isinstance(state, bytes) or len(state) != STATE_BYTES:
            raise InvalidInput(
                f"State {index} is not {STATE_BYTES} bytes long; nothing was computed."
            )
    for index, count in enumerate(counts):
        if type(count) is not int or not 0 <= count <= MAX_COUNT:
            raise InvalidInput(
                f"Count {index} is not a whole number from 0 to {MAX_COUNT}; nothing was computed."
            )


class Sha512:
    """The workload behind the name `sha512`."""

    name: Final = "sha512"
    state_bytes: Final = STATE_BYTES
    lanes: Final = LANES
    folding = staticmethod(folding)
    fold = staticmethod(fold)
    fold_all = staticmethod(fold_all)
    advance = staticmethod(advance)


WORKLOAD: Final = Sha512()
