"""A child's tie to its supervisor: a pair of sockets, of which each has one end.

However the supervisor dies, the kernel closes its end, the child reads the end of file,
and drains as it would on SIGTERM. A child that is still there when the grace is over ends
at once, so nothing lingers that nobody supervises.

The other way the child says one thing at most: why it refuses to start. The supervisor knows who
asked for it and tells that person, once and in words, or its own log.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from contextlib import suppress
from typing import Final

import msgspec

from workmill.domain import limits
from workmill.domain.errors import WorkmillError, error_for
from workmill.telemetry import emit

LIFELINE_FD: Final = 0
"""Standard input: a supervised process has no other use for it."""
GRACE_SECONDS: Final = 2 * limits.DRAIN_SECONDS
"""How long a process may take to drain before it is ended by force."""
EXIT_ABANDONED: Final = 3
MAX_REFUSAL_BYTES: Final = 16 * 1024


class Refusal(msgspec.Struct, frozen=True):
    """An error as it goes to the supervisor."""

    slug: str
    detail: str


def follow_lifeline(fd: int = LIFELINE_FD, grace_seconds: float = GRACE_SECONDS) -> None:
    """From now on, drain when the other end of `fd` closes, and end `grace_seconds` later."""
    threading.Thread(target=_watch, args=(fd, grace_seconds), name="lifeline", daemon=True).start()


def _watch(fd: int, grace_seconds: float) -> None:
    with suppress(ConnectionResetError):  # it died before it read what we said
        while os.read(fd, 1):
            pass
    emit("process.abandoned", level="warning", detail="the supervisor is gone; draining")
    os.kill(os.getpid(), signal.SIGTERM)
    threading.Event().wait(grace_seconds)
    os._exit(EXIT_ABANDONED)


def tell_supervisor(error: WorkmillError, fd: int = LIFELINE_FD) -> bool:
    """Say why this process does not start; False when there is no supervisor that listens."""
    said = msgspec.json.encode(Refusal(error.slug, error.detail[: MAX_REFUSAL_BYTES // 8]))
    try:
        with socket.socket(fileno=os.dup(fd)) as line:
            return line.send(said, socket.MSG_DONTWAIT | socket.MSG_NOSIGNAL) == len(said)
    except OSError:  # it is no socket
        return False


def refusal(line: socket.socket) -> WorkmillError | None:
    """Why the child at the other end has not started, as far as it has said. Never waits."""
    try:
        said = line.recv(MAX_REFUSAL_BYTES, socket.MSG_DONTWAIT)
        told = msgspec.json.decode(said, type=Refusal)
    except (OSError, msgspec.DecodeError):
        return None
    return error_for(told.slug)(told.detail)
