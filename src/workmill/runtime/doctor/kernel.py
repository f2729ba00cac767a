"""What computes here: the C kernel, or Python's hashlib in its place, and how fast."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import Final

from workmill.runtime.doctor.finding import Finding
from workmill.workloads.registry import DEFAULT_WORKLOAD, find_workload

MEASURE_SECONDS: Final = 0.15
POOR_RATIO: Final = 2.0
"""Below this the machine computes as hashlib alone would."""
USUAL_RATIO: Final = 7.0
"""What the kernel reaches on a core with AVX2."""


def kernel() -> Finding:
    """Measure all lanes of one core against a plain loop over hashlib."""
    workload = find_workload(DEFAULT_WORKLOAD)
    states = [os.urandom(workload.state_bytes) for _ in range(workload.lanes)]
    lanes_hz = _rate_hz(lambda count: workload.advance(states, [count] * len(states)), len(states))
    loop_hz = _rate_hz(_hashlib_loop, 1)
    ratio = lanes_hz / loop_hz
    figures = {
        "lanes": workload.lanes,
        "kernel_hz": lanes_hz,
        "hashlib_hz": loop_hz,
        "ratio": ratio,
    }
    said = (
        f"{workload.lanes} lanes, {ratio:.1f} times a loop over hashlib "
        f"({lanes_hz:,.0f} iterations/s a core)."
    )
    if ratio >= POOR_RATIO:
        return Finding(name="kernel", verdict="good", said=said, figures=figures)
    return Finding(
        name="kernel",
        verdict="note",
        said=f"the hashlib fallback runs: {said}",
        advice=f"Install a C compiler (gcc or clang) and reinstall: about {USUAL_RATIO:.0f} times "
        "as fast. The values are the same.",
        figures=figures,
    )


def _hashlib_loop(count: int) -> None:
    value, sha512 = bytes(64), hashlib.sha512
    for _ in range(count):
        value = sha512(value).digest()


def _rate_hz(run: Callable[[int], object], chains: int) -> float:
    """Iterations per second of `run(count)`, which moves `chains` chains on by `count`."""
    count = 500
    while True:
        start = time.perf_counter()
        run(count)
        took = time.perf_counter() - start
        if took >= MEASURE_SECONDS:
            return chains * count / took
        count *= 2
