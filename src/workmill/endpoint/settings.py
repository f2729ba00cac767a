"""What an endpoint is told at its start, and the one rule about who may reach it."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from workmill.domain import limits
from workmill.domain.errors import InvalidInput


@dataclass(frozen=True, kw_only=True, slots=True)
class EndpointSettings:
    """Bounds and addresses of one endpoint. Port 0 takes any free port and reports it."""

    host: str = "127.0.0.1"
    port: int = limits.PORT
    listen_fd: int | None = None
    """An inherited listening socket, to use instead of making one."""
    key: bytes | None = None
    """When set, every call but the health checks and page shells must bear it."""
    directory: str = "/"
    """Where the store's files are, if they are here: its beats tell how full that disk is."""
    toward: str | None = None
    """A host on the network on which others reach this one: the store's, where it is elsewhere."""
    max_body_bytes: int = limits.MAX_BODY_BYTES
    max_batch_bytes: int = limits.MAX_BATCH_BYTES
    max_iterations: int = limits.MAX_ITERATIONS
    max_pending_jobs: int = 20_000
    """Submits waiting for the store; over this, new ones are refused early (503)."""
    max_uncommitted_batch_bytes: int = 4 * limits.MAX_BATCH_BYTES
    """Bytes of batch bodies held in memory at one time, over all requests."""
    max_connections: int = 4096
    max_subscribers: int = 256
    """Open event streams."""
    max_waiters: int = 4096
    """Long-polls on jobs; over this a call answers at once with how things stand."""
    body_seconds: float = 30.0
    """Time for a body to arrive, on top of its size at 64 KiB/s."""
    notice_seconds: float = 0.0
    """How long `/readyz` says no, and all else is served, before a drain begins: the time that a
    balancer in front needs to see it. Without one there is nobody to wait for."""
    drain_seconds: float = limits.DRAIN_SECONDS


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach a socket bound to `host`."""
    if host == "localhost":
        return True
    bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        return ipaddress.ip_address(bare).is_loopback
    except ValueError:
        return False


def check_exposure(host: str, key: bytes | None, *, open_without_key: bool = False) -> None:
    """Refuse to be reachable from other machines without a key.

    Raises InvalidInput unless `host` is loopback, a key is set, or the person said in as
    many words that the service shall stay open.
    """
    if not host:
        raise InvalidInput(
            "--host is empty, which would be every address of this machine. Nothing was started. "
            "Say 127.0.0.1, or 0.0.0.0 when that is meant."
        )
    if is_loopback(host) or key or open_without_key:
        return
    raise InvalidInput(
        f"Listening on {host!r} would let anyone who reaches this machine submit work and take "
        "results. Nothing was started. Make a key with: (umask 077; openssl rand -hex 32 > FILE) "
        "and give it with --key-file FILE, or listen on 127.0.0.1, or say --open-without-key to "
        "accept this."
    )
