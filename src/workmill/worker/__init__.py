"""Lease, advance, renew, complete; drain.

One worker is two processes. The parent talks HTTP and never computes; the child computes and
never talks to anyone but the parent. So nothing that is computed can starve a heartbeat, and a
child that dies leaves somebody behind who knows what it was doing.

    worker.py     the whole of one worker: its threads, its signals, its drain
    computing.py  the main loop's turn: plan a slice, send it, take it back, find the culprit
    lanes.py      the parent's handle of the child     compute.py  the child
    frames.py     what the two say to each other
    slices.py     how much of which job the next slice holds (pure)
    stock.py      how much work to lease (pure)
    ledger.py     the jobs in hand
    leasing.py · delivery.py · renewal.py   one thread each: work in, results out, alive
    reach.py      what to do while no endpoint answers
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workmill.worker.settings import WorkerSettings
    from workmill.worker.worker import run_worker

__all__ = ["WorkerSettings", "run_worker"]


def __getattr__(name: str) -> object:
    """Load on first use: the child is a module of this package and must not pay for HTTP."""
    if name == "WorkerSettings":
        from workmill.worker import settings

        return settings.WorkerSettings
    if name == "run_worker":
        from workmill.worker import worker

        return worker.run_worker
    raise AttributeError(f"module 'workmill.worker' has no attribute {name!r}")
