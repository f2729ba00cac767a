"""What the kernel does on one core here, against the plain Python loop and OpenSSL's blocks.

Every figure is a median over pairs that alternate between two contestants, and a ratio is the
median of the ratios of those pairs: machines change their speed from second to second, and the
two of a pair see nearly the same one. Time is this thread's CPU time, so neighbours that take
the core away do not count.
"""

from __future__ import annotations

import os
import platform
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

import msgspec

from workmill.workloads.sha512 import openssl
from workmill.workloads.sha512.kernel import BEST, HASHLIB, VARIANTS, advance_with

PAIRS = 15
SLICE_SECONDS = 0.02
STATE = bytes(range(64))


class VariantFigures(msgspec.Struct, frozen=True, kw_only=True):
    """One variant with all its lanes full; `hz` is iterations per second, all lanes together."""

    lanes: int
    hz: float
    times_hashlib: float
    times_openssl: float | None


class KernelFigures(msgspec.Struct, frozen=True, kw_only=True):
    """Iterations per second of one core; `openssl_hz` is None without libcrypto or a compiler."""

    processor: str
    kernel: str
    pairs: int
    hashlib_hz: float
    openssl_hz: float | None
    one_chain_hz: float
    one_chain_times_hashlib: float
    variants: dict[str, VariantFigures]


def measure(pairs: int = PAIRS, slice_seconds: float = SLICE_SECONDS) -> KernelFigures:
    """Run all contestants on one core, `pairs` times each; takes seconds."""
    run = openssl.blocks()
    openssl_loop = Contestant(run, 1) if run else None
    plain_loop, one_chain = _variant(HASHLIB, 1), _variant(BEST, 1)
    with _one_core():
        alone = _race(plain_loop, one_chain, pairs, slice_seconds)
        rival = _race(plain_loop, openssl_loop, pairs, slice_seconds) if openssl_loop else None
        variants = {
            name: _figures(_variant(name, lanes), plain_loop, openssl_loop, pairs, slice_seconds)
            for name, lanes in VARIANTS.items()
            if name != HASHLIB
        }
    return KernelFigures(
        processor=_processor(),
        kernel=BEST,
        pairs=pairs,
        hashlib_hz=alone.rival_hz,
        openssl_hz=rival.runner_hz if rival else None,
        one_chain_hz=alone.runner_hz,
        one_chain_times_hashlib=alone.ratio,
        variants=variants,
    )


class Contestant(NamedTuple):
    """`run` does so many iterations on every one of its lanes."""

    run: Callable[[int], object]
    lanes: int

    def hz(self, iterations: int) -> float:
        begun = time.thread_time()
        self.run(iterations)
        return self.lanes * iterations / (time.thread_time() - begun)

    def slice(self, seconds: float) -> int:
        """As many iterations as fill so much time; the try-out warms it up, too."""
        return max(1, round(seconds * self.hz(2000) / self.lanes))


class Race(NamedTuple):
    """Medians over all pairs."""

    rival_hz: float
    runner_hz: float
    ratio: float


def _variant(name: str, lanes: int) -> Contestant:
    return Contestant(lambda count: advance_with(name, [STATE] * lanes, [count] * lanes), lanes)


def _figures(
    runner: Contestant,
    plain_loop: Contestant,
    openssl_loop: Contestant | None,
    pairs: int,
    slice_seconds: float,
) -> VariantFigures:
    race = _race(plain_loop, runner, pairs, slice_seconds)
    return VariantFigures(
        lanes=runner.lanes,
        hz=race.runner_hz,
        times_hashlib=race.ratio,
        times_openssl=_race(openssl_loop, runner, pairs, slice_seconds).ratio
        if openssl_loop
        else None,
    )


def _race(rival: Contestant, runner: Contestant, pairs: int, slice_seconds: float) -> Race:
    rival_slice, runner_slice = rival.slice(slice_seconds), runner.slice(slice_seconds)
    samples = [(rival.hz(rival_slice), runner.hz(runner_slice)) for _ in range(pairs)]
    rival_hz, runner_hz = (median(side) for side in zip(*samples, strict=True))
    return Race(rival_hz, runner_hz, median(mine / other for other, mine in samples))


@contextmanager
def _one_core() -> Iterator[None]:
    """Keep to one core where the system allows it; a move in mid-slice would cost the caches."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {max(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()
