"""Which ports are free, and which ones to take.

What is chosen here lies below the ports that the kernel gives to outgoing connections, so that
it is still free at the next start.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterable
from typing import Final

from workmill.cluster.plan import ADDRESSES, LOOPBACK
from workmill.domain import limits
from workmill.domain.errors import Unavailable
from workmill.endpoint.listener import AddressTaken, listen
from workmill.telemetry import emit

REDIS_PORT: Final = 6379
SENTINEL_PORT: Final = 26379
"""The usual ones; clusters at other doors begin to look as many above them."""
_STORE_STEPS: Final = 6000
_DOORS: Final = range(12_500, 26_000)
_TRIES: Final = 200
FREE_SECONDS: Final = 15.0
"""How long the processes of a supervisor that was killed may take to let go."""
_LOOK_SECONDS: Final = 0.2

Listening = tuple[str, int]


def is_free(host: str, port: int) -> bool:
    """Whether this machine has that address and nobody listens there on this port."""
    try:
        listen(host, port).close()
    except Unavailable:
        return False
    return True


def check_host(host: str) -> None:
    """Raise Unavailable when nobody on this machine can listen at that address."""
    listen(host, 0).close()


def choose_door(host: str, endpoints: int) -> int:
    """A port for the door, with as many free ones above it. Raises Unavailable."""
    for _ in range(_TRIES):
        port = random.choice(_DOORS)  # noqa: S311 - a port is no secret
        behind = range(port + 1, port + 1 + endpoints)
        if is_free(host, port) and all(is_free(LOOPBACK, one) for one in behind):
            return port
    raise Unavailable(f"No {endpoints + 1} free ports in a row were found. Say one with --port.")


def choose_store(door: int, endpoints: int) -> tuple[int, int]:
    """Ports for data servers and Sentinels, free on all of the hosts' addresses and none of those
    that the door and the endpoints will take. Raises Unavailable."""
    taken = range(door, door + endpoints + 1)
    for step in range(_STORE_STEPS):
        offset = (door - limits.PORT + step) % _STORE_STEPS
        ports = REDIS_PORT + offset, SENTINEL_PORT + offset
        if not set(ports) & set(taken) and all(is_free(a, p) for a in ADDRESSES for p in ports):
            return ports
    raise Unavailable(f"No port from {REDIS_PORT} on is free on all of {', '.join(ADDRESSES)}.")


def wait_until_free(places: Iterable[Listening], patience_seconds: float = FREE_SECONDS) -> None:
    """Return when nobody listens on any of these. Raises Unavailable when somebody stays, or when
    this machine has no such address."""
    deadline, told = time.monotonic() + patience_seconds, False
    for host, port in places:
        while (taken := _taken(host, port)) is not None:
            if time.monotonic() > deadline:
                raise Unavailable(
                    f"{taken.detail} The ports of a store that was founded stay."
                ) from None
            if not told:
                detail = f"{host} port {port} is in use. Whoever has it may just be ending."
                emit("cluster.waits", level="warning", detail=detail)
                told = True
            time.sleep(_LOOK_SECONDS)


def _taken(host: str, port: int) -> AddressTaken | None:
    """Whether it is worth waiting for. Raises Unavailable for what cannot be had at all."""
    try:
        listen(host, port).close()
    except AddressTaken as error:
        return error
    return None
