"""Threads for what may hang or take long, all of them started before the first call.

A pool that starts its threads when it needs them is refused one as soon as the machine, or the
container around us, allows no more: a service that is ready would answer the call with an error,
and what was to be done stays in the pool's queue, for a later thread to do and nobody to undo.
"""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor


def whole_pool(threads: int, name: str) -> ThreadPoolExecutor:
    """A pool that never starts another thread. Raises RuntimeError when so many are not allowed."""
    pool = ThreadPoolExecutor(threads, name)
    all_there = threading.Barrier(threads)
    try:
        for waiting in [pool.submit(all_there.wait) for _ in range(threads)]:
            waiting.result()
    except RuntimeError:
        all_there.abort()
        pool.shutdown(cancel_futures=True)
        raise
    return pool
