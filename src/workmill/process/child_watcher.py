"""How asyncio hears that a child of this process has ended.

By a descriptor of the child (pidfd), where there is one. Python 3.11 starts a thread for each child
instead, unless it is told otherwise: some twenty more for a cluster, and at a limit on threads a
child that was started already, and lives for some ms, because nobody can wait for it.
"""

from __future__ import annotations

import asyncio
import os
import sys


def wait_without_threads() -> None:
    """From now on no child of the running loop needs a thread, where there are such descriptors."""
    if sys.version_info >= (3, 12):
        return  # it is Python's own way
    try:
        os.close(os.pidfd_open(os.getpid()))
    except OSError:  # an old kernel, or a sandbox that forbids it
        return
    watcher = asyncio.PidfdChildWatcher()
    watcher.attach_loop(asyncio.get_running_loop())
    asyncio.set_child_watcher(watcher)
