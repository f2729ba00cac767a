"""Cores, memory, open files, clock."""

from __future__ import annotations

import ctypes
import resource
from pathlib import Path
from typing import Final

from workmill.doctor.finding import Finding
from workmill.runtime.machine_limits import workers_by_itself
from workmill.telemetry.container_limits import Container, usable_cores

MIN_MEMORY_BYTES: Final = 256 * 2**20
PROCESS_MEMORY_BYTES: Final = 64 * 2**20
"""What one worker with its compute process holds, generously."""
GOOD_OPEN_FILES: Final = 8192
"""4096 connections, the endpoint's default bound, and as many again to spare."""
MIN_OPEN_FILES: Final = 256

_CLOCK_NOT_SYNCHRONISED: Final = 5  # TIME_ERROR of adjtimex(2)
_OWN_TIME: Final = (
    "Run a time service. The store reads this clock once, when it is opened, and counts on from "
    "there: no step of it ends a lease. But the times that jobs show, and their retention over a "
    "restart, begin with it, and a store that was opened while it ran ahead stays ahead."
)
_TIME_OF_OTHERS: Final = (
    "Run a time service. Leases and retention go by the Redis servers' clocks, not by this one; it "
    "decides the order of jobs between partitions, and whether certificates are valid."
)
_TIMEX_BYTES: Final = 512  # larger than struct timex anywhere


def cores() -> Finding:
    """How many workers this machine keeps busy."""
    count, workers = usable_cores(), workers_by_itself()
    return Finding(
        name="cores",
        verdict="good",
        said=f"{count} usable; `--workers auto` starts {workers}, one a core as memory allows.",
        figures={"cores": count},
    )


def memory() -> Finding:
    """Whether endpoint, store and one worker a core fit into the memory that is free."""
    free = min(_available_bytes(), Container().free_bytes())
    needed = MIN_MEMORY_BYTES + workers_by_itself() * PROCESS_MEMORY_BYTES
    figures = {"free_bytes": free, "needed_bytes": needed}
    said = f"{free / 2**20:,.0f} MiB free, {needed / 2**20:,.0f} MiB wanted."
    if free >= needed:
        return Finding(name="memory", verdict="good", said=said, figures=figures)
    return Finding(
        name="memory",
        verdict="mend",
        said=said,
        advice="Free some memory, raise the container's limit, or start fewer workers.",
        figures=figures,
    )


def open_files() -> Finding:
    """Whether the limit on descriptors leaves room for connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    figures = {"soft_limit": soft, "hard_limit": hard}
    said = f"up to {soft:,} at a time (ulimit -n); every connection takes one."
    if soft >= GOOD_OPEN_FILES:
        return Finding(name="open files", verdict="good", said=said, figures=figures)
    return Finding(
        name="open files",
        verdict="note" if soft >= MIN_OPEN_FILES else "mend",
        said=said,
        advice=f"For many clients start the service under `ulimit -n {min(hard, 65536)}`.",
        figures=figures,
    )


def clock(*, alone: bool) -> Finding:
    """Whether the kernel holds the clock for synchronised (adjtimex(2), asked, not set). `alone`
    says that the store is a directory here, and not on servers with clocks of their own."""
    libc = ctypes.CDLL(None, use_errno=True)
    state = libc.adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    if 0 <= state < _CLOCK_NOT_SYNCHRONISED:
        return Finding(name="clock", verdict="good", said="synchronised.")
    return Finding(
        name="clock",
        verdict="note",
        said="the kernel does not know it to be synchronised.",
        advice=_OWN_TIME if alone else _TIME_OF_OTHERS,
    )


def _available_bytes() -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith("MemAvailable:"):
            return int(line.split()[1]) * 1024
    return 0
