"""How the process keeps its free memory: what large bodies need is used again and again.

Bodies pass through memory in pieces of 256 KiB that live for a moment. glibc gives such a piece
back to the system as soon as it is free, and takes it anew for the next: each 4 KiB of it then
costs a page fault and its zeroing, more than the copying.
"""

from __future__ import annotations

import ctypes
from typing import Final

KEPT_FREE_BYTES: Final = 64 * 1024 * 1024
"""The most that stays with the process though nothing is in it; a dozen large batches need half."""
PIECE_BYTES: Final = 1024 * 1024
"""Only what is larger is asked of the system, and given back, by itself."""
_M_TRIM_THRESHOLD: Final = -1
_M_MMAP_THRESHOLD: Final = -3
"""From glibc's <malloc.h>; see mallopt(3)."""


def keep_free_memory() -> None:
    """Have the allocator keep so much for the next bodies. Nothing happens without glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_TRIM_THRESHOLD, KEPT_FREE_BYTES)
        mallopt(_M_MMAP_THRESHOLD, PIECE_BYTES)
