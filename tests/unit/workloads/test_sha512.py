"""The kernel computes what hashlib computes, in every variant that runs here."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.domain.errors import InvalidInput
from workmill.workloads import registry
from workmill.workloads.registry import find_workload, workload_names
from workmill.workloads.sha512 import MAX_COUNT, WORKLOAD, advance, fold
from workmill.workloads.sha512.kernel import BEST, LANES, VARIANTS, advance_with, allowed

every_variant = pytest.mark.parametrize("variant", VARIANTS)
chains = st.lists(
    st.tuples(st.binary(min_size=64, max_size=64), st.integers(0, 40) | st.sampled_from([0, 1])),
    max_size=40,
)


def by_hashlib(state: bytes, count: int) -> bytes:
    for _ in range(count):
        state = hashlib.sha512(state).digest()
    return state


@every_variant
@given(chains=chains)
def test_any_mix_of_chains_gives_what_hashlib_gives(
    variant: str, chains: list[tuple[bytes, int]]
) -> None:
    """Promise: each state is moved on by its own count, whatever shares the lanes with it."""
    states, counts = [state for state, _ in chains], [count for _, count in chains]
    assert advance_with(variant, states, counts) == [by_hashlib(*chain) for chain in chains]


@every_variant
@pytest.mark.parametrize("number", range(1, 2 * max(VARIANTS.values()) + 2))
def test_any_number_of_chains_fills_the_lanes(variant: str, number: int) -> None:
    """Promise: one chain fewer or more than the lanes, and each ending alone, changes nothing."""
    states = [bytes([index]) * 64 for index in range(number)]
    counts = [(7 * index) % 19 for index in range(number)]
    wanted = [by_hashlib(*chain) for chain in zip(states, counts, strict=True)]
    assert advance_with(variant, states, counts) == wanted


@given(state=st.binary(min_size=64, max_size=64), first=st.integers(0, 30), then=st.integers(0, 30))
def test_a_state_says_everything_about_what_follows(state: bytes, first: int, then: int) -> None:
    """Promise: work cut at any checkpoint ends where uncut work ends."""
    assert advance(advance([state], [first]), [then]) == advance([state], [first + then])


@given(pieces=st.lists(st.binary(max_size=300), max_size=6))
def test_fold_is_the_digest_of_the_whole(pieces: list[bytes]) -> None:
    """Promise: however the data is cut, the first state is hashlib's digest of it."""
    folding = WORKLOAD.folding()
    for piece in pieces:
        folding.update(piece)
    assert fold(pieces) == folding.digest() == hashlib.sha512(b"".join(pieces)).digest()


STATE = bytes(64)


@pytest.mark.parametrize(
    ("states", "counts"),
    [
        ([STATE], []),
        ([], [1]),
        ([STATE[1:]], [1]),
        ([STATE + b"\0"], [1]),
        (["x" * 64], [1]),
        ([bytearray(64)], [1]),
        ([STATE], [-1]),
        ([STATE], [MAX_COUNT + 1]),
        ([STATE], [True]),
        ([STATE], [1.0]),
        ([STATE], ["1"]),
        ([STATE], [None]),
    ],
)
def test_malformed_input_is_refused(states: list[bytes], counts: list[int]) -> None:
    """Promise: what is not 64 bytes and a whole count each is refused, and the error says why."""
    with pytest.raises(InvalidInput, match="nothing was computed"):
        advance(states, counts)


def test_nothing_to_do_is_done() -> None:
    """Promise: no chains, and chains of no iterations, come back as they are."""
    assert advance([], []) == []
    assert advance([STATE] * 30, [0] * 30) == [STATE] * 30


def test_the_registry_finds_the_workload_and_its_lanes() -> None:
    """Promise: the name `sha512` leads to this workload, and its lanes are the kernel's own."""
    assert find_workload("sha512") is WORKLOAD
    assert (WORKLOAD.state_bytes, WORKLOAD.lanes) == (64, LANES)
    assert list(VARIANTS.items())[-1] == (BEST, LANES)


NAMES = {"hashlib": 1, "plain": 1, "sse2": 2, "avx2": 5}


@pytest.mark.parametrize("best", NAMES)
def test_the_best_variant_that_is_allowed_is_used(best: str) -> None:
    """Promise: a machine that is told so computes as one that has nothing better."""
    cut = allowed(NAMES, best)
    assert list(cut)[-1] == best
    assert list(cut) == list(NAMES)[: len(cut)]


def test_without_a_word_about_it_every_variant_is_allowed() -> None:
    """Promise: an empty setting is none."""
    assert allowed(NAMES, None) == allowed(NAMES, "") == NAMES


def test_a_variant_that_is_not_there_is_refused_in_words() -> None:
    """Promise: a misspelt name is not taken for the best or for the fallback."""
    with pytest.raises(InvalidInput, match=r"WORKMILL_KERNEL is 'avx9'.*plain, sse2"):
        allowed(NAMES, "avx9")


@pytest.mark.parametrize("variant", VARIANTS)
def test_child_processes_keep_to_the_variant(variant: str) -> None:
    """Promise: what the environment names holds for every process that inherits it."""
    program = "from workmill.workloads.sha512 import kernel_name; print(kernel_name())"
    ended = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "WORKMILL_KERNEL": variant},
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert ended.stdout == f"{variant}\n"


def test_the_installed_packages_are_searched_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Promise: names of no workload are refused without a new search, however many come."""
    assert workload_names()

    def search(**_: object) -> None:
        raise AssertionError("searched again")

    monkeypatch.setattr(registry, "entry_points", search)
    with pytest.raises(InvalidInput, match=r"no workload 'abacus' here.*sha512"):
        find_workload("abacus")


@pytest.mark.skipif(BEST == "hashlib", reason="the C kernel is not built here")
def test_another_thread_runs_while_the_kernel_computes() -> None:
    """Promise: `advance` holds no GIL.

    With an hour between forced switches, the other thread can answer only if the kernel lets go.
    """
    computing, answered = threading.Event(), threading.Event()

    def answer() -> None:
        computing.wait()
        answered.set()

    other = threading.Thread(target=answer)
    other.start()
    usual = sys.getswitchinterval()
    sys.setswitchinterval(3600)
    try:
        computing.set()
        advance([STATE], [1_000_000])
        was_answered = answered.is_set()
    finally:
        sys.setswitchinterval(usual)
        other.join()
    assert was_answered
