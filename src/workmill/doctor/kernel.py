"""What computes here: the C kernel, or Python's hashlib in its place, and how fast."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import Final

from workmill.doctor.finding import Finding
from workmill.workloads.registry import DEFAULT_WORKLOAD, find_workload
from workmill.workloads.sha512.kernel import HASHLIB, OFFERED, VARIANTS, kernel_name

MEASURE_SECONDS: Final = 0.15
USUAL_RATIO: Final = 6.0
"""What the C kernel reaches against a loop over hashlib on a core with AVX2."""


def kernel() -> Finding:
    """Measure all lanes of one core against a plain loop over hashlib."""
    workload = find_workload(DEFAULT_WORKLOAD)
    states = [os.urandom(workload.state_bytes) for _ in range(workload.lanes)]
    lanes_hz = _rate_hz(lambda count: workload.advance(states, [count] * len(states)), len(states))
    loop_hz = _rate_hz(_hashlib_loop, 1)
    ratio = lanes_hz / loop_hz
    name = kernel_name()
    if wrong := ", ".join(offered for offered in OFFERED if offered not in VARIANTS):
        return Finding(
            name="kernel",
            verdict="mend",
            said=f"the processor computes wrongly with {wrong}; {name} computes instead.",
            advice="The values are right, and cost more time. Do not trust this machine with other "
            "work before its processor, microcode and hypervisor were looked at.",
        )
    figures: dict[str, float | str] = {
        "kernel": name,
        "lanes": workload.lanes,
        "kernel_hz": lanes_hz,
        "hashlib_hz": loop_hz,
        "ratio": ratio,
    }
    speed = f"{ratio:.1f} times a loop over hashlib, {lanes_hz:,.0f} iterations/s a core"
    if name != HASHLIB:
        said = f"{name} with {workload.lanes} lanes, {speed}."
        return Finding(name="kernel", verdict="good", said=said, figures=figures)
    return Finding(
        name="kernel",
        verdict="note",
        said=f"there is no C kernel here, hashlib computes: {speed}. The values are the same.",
        advice=f"It costs the machine about {USUAL_RATIO:.0f} times the time on AVX2. Install a C "
        "compiler (gcc or clang) and then Workmill again.",
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
