"""A word to systemd for as long as the event loop turns (`WatchdogSec=` in the unit).

A process that ends is seen by whoever started it. One that hangs is not: it holds its port,
callers wait on it, and nobody starts another. systemd kills it when the word has not come for so
long. Where nobody asks for the word (see sd_notify(3)), nothing is said.
"""

from __future__ import annotations

import asyncio
import os
import socket
from contextlib import suppress
from typing import Final

TIMES_EARLY: Final = 3
"""So many words in the time that systemd waits: one may be late, or lost."""


async def keep_watchdog_quiet() -> None:
    """Say it until cancelled."""
    if not _is_asked():
        return
    pause_seconds = int(os.environ["WATCHDOG_USEC"]) / 1e6 / TIMES_EARLY
    address = os.environ["NOTIFY_SOCKET"]
    if address.startswith("@"):  # an abstract one
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as told:
        told.setblocking(False)
        while True:
            with suppress(OSError):  # systemd is busy or starts anew: the next word will do
                told.sendto(b"WATCHDOG=1", address)
            await asyncio.sleep(pause_seconds)


def _is_asked() -> bool:
    """Not when the word is another process's, whose environment this one has inherited."""
    wanted = {"NOTIFY_SOCKET", "WATCHDOG_USEC"} <= os.environ.keys()
    return wanted and os.environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
