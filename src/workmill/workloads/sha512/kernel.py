"""Which kernel runs here: the C one in its best variant, or hashlib when it was not built.

Both give the same bytes. The C kernel releases the GIL and moves `LANES` chains at once;
the hashlib loop moves one, and takes the GIL for every iteration.

The environment variable `WORKMILL_KERNEL` names the best variant that may be used, as
`OPENSSL_ia32cap` does for OpenSSL: this machine then computes as one that has nothing better. It
is for a processor that computes wrongly with its widest registers, and for the gate, which holds
every test to every variant. Child processes inherit it.
"""

from __future__ import annotations

import hashlib
import os
from array import array
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from workmill.domain.errors import InvalidInput
from workmill.workloads.port import Body
from workmill.workloads.sha512.self_test import chain, is_right

try:
    from workmill.workloads.sha512 import _chains
except ImportError:  # no compiler when this was installed
    _chains = None  # type: ignore[assignment]

HASHLIB: Final = "hashlib"

BEST_ALLOWED: Final = "WORKMILL_KERNEL"


def allowed(variants: Mapping[str, int], best: str | None) -> Mapping[str, int]:
    """The variants up to the one named `best`, in their order; all of them when none is named.

    Raises InvalidInput for a name that is not among them.
    """
    if not best:
        return variants
    names = list(variants)
    if best not in variants:
        raise InvalidInput(
            f"{BEST_ALLOWED} is {best[:64]!r}, which is no kernel of this machine. Nothing was "
            f"computed. Unset it, or name one of: {', '.join(names)}."
        )
    return {name: variants[name] for name in names[: names.index(best) + 1]}


def advance_with(variant: str, states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
    """Each state moved on by its own count, by this one of `VARIANTS`. Takes valid input only."""
    if variant == HASHLIB:
        return [chain(state, count) for state, count in zip(states, counts, strict=True)]
    return _cut(_chains.advance(b"".join(states), array("Q", counts), variant))


def fold_with(variant: str, bodies: Sequence[Body]) -> list[bytes]:
    """The digest of each body, by this one of `VARIANTS`. Takes valid input only."""
    if variant == HASHLIB:
        return [hashlib.sha512(body).digest() for body in bodies]
    return _cut(_chains.fold(tuple(bodies), variant))


def _cut(joined: bytes) -> list[bytes]:
    return [joined[start : start + 64] for start in range(0, len(joined), 64)]


def trusted(variants: Mapping[str, int]) -> Mapping[str, int]:
    """Those of these variants that pass the self test (`self_test`)."""
    return {
        name: lanes
        for name, lanes in variants.items()
        if name == HASHLIB or is_right(partial(advance_with, name), partial(fold_with, name), lanes)
    }


OFFERED: Final[Mapping[str, int]] = allowed(
    {HASHLIB: 1, **(_chains.variants() if _chains else {})}, os.environ.get(BEST_ALLOWED)
)
"""Every variant that this machine says it runs, with its number of lanes, the best one last."""

VARIANTS: Final[Mapping[str, int]] = trusted(OFFERED)
"""Those of them that compute rightly here."""

BEST: Final = list(VARIANTS)[-1]
LANES: Final = VARIANTS[BEST]


def kernel_name() -> str:
    """The variant that `advance` uses: one of "avx512", "avx512vl", "avx2", "sse2",
    "bmi2", "plain" and "hashlib"."""
    return BEST


def folder_of(messages: int) -> str:
    """The variant that is best for so many messages.

    One message fills one lane, and OpenSSL, behind hashlib, has assembly for one.
    """
    return BEST if messages > 1 < LANES else HASHLIB
