"""Many messages folded in one call are what hashlib makes of each, in every variant."""

from __future__ import annotations

import hashlib
import random
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.domain.errors import InvalidInput
from workmill.workloads.sha512 import fold_all
from workmill.workloads.sha512.kernel import BEST, HASHLIB, LANES, VARIANTS, fold_with, folder_of

every_variant = pytest.mark.parametrize("variant", VARIANTS)
AROUND_BLOCKS = [blocks * 128 + near for blocks in (1, 2, 3, 8) for near in (-17, -16, -1, 0, 1)]
lengths = st.integers(0, 300) | st.sampled_from([*AROUND_BLOCKS, 5000])


def by_hashlib(bodies: list[bytes]) -> list[bytes]:
    return [hashlib.sha512(body).digest() for body in bodies]


@every_variant
@given(sizes=st.lists(lengths, max_size=40), seed=st.integers())
def test_any_mix_of_lengths_gives_what_hashlib_gives(
    variant: str, sizes: list[int], seed: int
) -> None:
    """Promise: each body gets its own digest in its place, whatever shares the lanes with it."""
    seeded = random.Random(seed)
    bodies = [seeded.randbytes(size) for size in sizes]
    assert fold_with(variant, bodies) == by_hashlib(bodies)


@every_variant
def test_every_length_is_padded_right(variant: str) -> None:
    """Promise: no length from 0 to 300 or around a block's end is special, alone or together."""
    seeded = random.Random(180)
    bodies = [seeded.randbytes(size) for size in [*range(301), *AROUND_BLOCKS]]
    wanted = by_hashlib(bodies)
    assert fold_with(variant, bodies) == wanted
    assert [fold_with(variant, [body])[0] for body in bodies] == wanted


@every_variant
@pytest.mark.parametrize("number", range(2 * max(VARIANTS.values()) + 2))
def test_any_number_of_bodies_fills_the_lanes(variant: str, number: int) -> None:
    """Promise: one body fewer or more than the lanes changes nothing."""
    bodies = [bytes([index]) * (64 * index) for index in range(number)]
    assert fold_with(variant, bodies) == by_hashlib(bodies)
    assert fold_all(bodies) == by_hashlib(bodies)


@pytest.mark.parametrize("bad", ["text", bytearray(3), memoryview(bytearray(3)), None, 3])
def test_what_is_not_bytes_is_refused(bad: object) -> None:
    """Promise: only what cannot be changed through it is folded."""
    bodies: list[bytes] = [b"good", bad]  # type: ignore[list-item]
    with pytest.raises(InvalidInput, match=r"Body 1 .* nothing was computed"):
        fold_all(bodies)


@every_variant
def test_a_view_is_folded_where_it_lies(variant: str) -> None:
    """Promise: a part of a larger message gives the digest of that part."""
    whole = random.Random(7).randbytes(4000)
    views = [memoryview(whole)[start : start * 2] for start in range(0, 2000, 111)]
    wanted = by_hashlib([bytes(view) for view in views])
    assert fold_with(variant, views) == wanted
    assert fold_all(views) == wanted


def test_one_body_goes_to_openssl() -> None:
    """Promise: lanes are used where there is something to share them."""
    assert folder_of(1) == HASHLIB
    assert folder_of(2) == (BEST if LANES > 1 else HASHLIB)


@pytest.mark.skipif(HASHLIB == BEST, reason="the C kernel is not built here")
@pytest.mark.parametrize(
    "bodies", [(b"good", "text"), [b"a list"], (bytearray(9),), (b"x", bytearray(9))]
)
def test_the_extension_itself_refuses_what_could_change(bodies: object) -> None:
    """Promise: even called past the checks, the C never reads what is not held and unchanging."""
    from workmill.workloads.sha512 import _chains

    with pytest.raises(TypeError):
        _chains.fold(bodies, BEST)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="no variant"):
        _chains.fold((b"x",), "abacus")


@pytest.mark.skipif(LANES == 1, reason="no lanes here: hashlib folds, body by body")
def test_another_thread_runs_while_bodies_are_folded() -> None:
    """Promise: `fold_all` holds no GIL, not even between bodies too small for hashlib to let go.

    With an hour between forced switches, the other thread can answer only if the kernel lets go.
    """
    computing, answered = threading.Event(), threading.Event()

    def answer() -> None:
        computing.wait()
        answered.set()

    bodies = [bytes(2000)] * 20_000
    other = threading.Thread(target=answer)
    other.start()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    try:
        computing.set()
        fold_all(bodies)
        was_answered = answered.is_set()
    finally:
        sys.setswitchinterval(usual)
        other.join()
    assert was_answered
