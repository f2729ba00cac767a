"""Workmill: an elastic, durable work queue for CPU-bound computation.

`from workmill import Client, AsyncClient` is the whole public Python face; the
names load on first use, so that a worker process does not pay for the client.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workmill.client import AsyncClient, Client

__version__ = "0.1.0"
__all__ = ["AsyncClient", "Client", "__version__"]


def __getattr__(name: str) -> object:
    if name in {"AsyncClient", "Client"}:
        from workmill import client

        return getattr(client, name)
    raise AttributeError(f"module 'workmill' has no attribute {name!r}")
