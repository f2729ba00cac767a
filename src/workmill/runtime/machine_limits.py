"""How many workers this machine, or the container around us, has room for.

Processor time alone makes too many workers slow; memory that is too little ends the service without
a word: the kernel kills one process after the other. The least that each needs is what was measured
idle (57 MiB for a supervisor and its endpoint, 39 MiB a worker) and a little room to work in.
"""

from __future__ import annotations

import sys
from typing import Final

from workmill.domain.errors import InvalidInput
from workmill.telemetry.container_limits import Container, usable_cores

WORKERS_PER_CORE: Final = 8
"""More only take turns, and the machine has to keep each of them in memory."""
MIN_MOST_WORKERS: Final = 16
"""So many are taken on any machine: workers may wait for something else than the processor."""
SERVICE_MIB: Final = 64
WORKER_MIB: Final = 40


def workers_by_itself() -> int:
    """One for each usable core, or fewer where memory is the tighter limit; at least one."""
    return max(1, min(usable_cores(), (_allowed_mib() - SERVICE_MIB) // WORKER_MIB))


def check_workers(least: int, most: int) -> None:
    """Raise InvalidInput when this machine has no room for the least of these workers, or cannot
    run the most of them in earnest."""
    allowed_mib, needed_mib = _allowed_mib(), SERVICE_MIB + least * WORKER_MIB
    if allowed_mib < needed_mib:
        raise InvalidInput(
            f"A service with --workers {least} needs at least {needed_mib} MiB of memory, and "
            f"{allowed_mib} MiB are allowed here. Nothing was started. Raise the container's "
            "limit, or say fewer with --workers."
        )
    cores = usable_cores()
    bound = max(MIN_MOST_WORKERS, WORKERS_PER_CORE * cores)
    if most > bound:
        raise InvalidInput(
            f"{most} workers are far more than this machine's {cores} usable cores can run: each "
            f"keeps one core busy. Nothing was started. Say at most {bound} with --workers, or "
            "`auto` for one a core; start `workmill worker` on other machines for more."
        )


def _allowed_mib() -> int:
    return int(min(Container().limit_bytes(), sys.maxsize)) // 2**20
