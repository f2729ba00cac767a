"""The work that every peer does, and what they all read from their surroundings."""

from __future__ import annotations

import hashlib
import os

REDIS_URL = os.environ.get("BENCH_REDIS_URL", "redis://127.0.0.1:1/0")
"""Read at import because the peers' own commands import their application from a module."""


def work(data: bytes, iterations: int) -> str:
    """The iterated SHA-512 of `data`, in hex."""
    value = hashlib.sha512(data).digest()
    for _ in range(iterations - 1):
        value = hashlib.sha512(value).digest()
    return value.hex()
