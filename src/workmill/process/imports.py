"""Imports that no fork cuts in two.

Theory. An import holds the lock of its module. When one thread forks while another imports, the
child has that lock and no thread that will release it: its own import of that module waits for
ever (Python makes the lock of all imports anew in a child, those of single modules not). So what
is imported late is imported under a lock of ours, and a fork waits until that is free.
"""

from __future__ import annotations

import os
from threading import RLock
from typing import Final

importing: Final = RLock()
"""Held around an import that the start of a program does not do. A thread that imports may fork."""

os.register_at_fork(
    before=importing.acquire,
    after_in_parent=importing.release,
    after_in_child=importing.release,
)
