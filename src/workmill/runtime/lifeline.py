"""A child's tie to its supervisor: a pipe that nobody writes to and that closes with it.

However the supervisor dies, the kernel closes its end, the child reads the end of file,
and drains as it would on SIGTERM. A child that is still there when the grace is over ends
at once, so nothing lingers that nobody supervises.
"""

from __future__ import annotations

import os
import signal
import threading
from typing import Final

from workmill.domain import limits
from workmill.telemetry import emit

LIFELINE_FD: Final = 0
"""Standard input: a supervised process has no other use for it."""
GRACE_SECONDS: Final = 2 * limits.DRAIN_SECONDS
"""How long a process may take to drain before it is ended by force."""
EXIT_ABANDONED: Final = 3


def follow_lifeline(fd: int = LIFELINE_FD, grace_seconds: float = GRACE_SECONDS) -> None:
    """From now on, drain when the other end of `fd` closes, and end `grace_seconds` later."""
    threading.Thread(target=_watch, args=(fd, grace_seconds), name="lifeline", daemon=True).start()


def _watch(fd: int, grace_seconds: float) -> None:
    while os.read(fd, 1):
        pass
    emit("process.abandoned", level="warning", detail="the supervisor is gone; draining")
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_seconds)
    os._exit(EXIT_ABANDONED)
