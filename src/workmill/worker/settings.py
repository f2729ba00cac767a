"""What a worker is told at its start."""

from __future__ import annotations

import socket
from dataclasses import dataclass, field

from workmill.client.key_file import ReadKey
from workmill.domain import limits

SLICE_SECONDS = 0.3
"""About how long the child computes between two looks at the parent: short enough that results
leave soon and a drain is quick, long enough that what a slice costs (about a millisecond) is
lost in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """One worker. `urls` are endpoints of one service; the next is asked when one fails."""

    urls: tuple[str, ...]
    read_key: ReadKey | None = None
    """Reads the bearer key, when the service wants one: at the start, and when it is refused."""
    name: str = field(default_factory=socket.gethostname)
    lease_seconds: float = limits.LEASE_SECONDS
    checkpoint_seconds: float = limits.CHECKPOINT_SECONDS
    """The longest a job goes without its checkpoint being stored, while an endpoint answers."""
    slice_seconds: float = SLICE_SECONDS
    drain_seconds: float = limits.DRAIN_SECONDS
