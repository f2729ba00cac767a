"""The HTTP service: parse, call one store verb, reply.

A request's way: `app` finds its call in `routes` and checks the key; a handler (`enqueue`,
`batch`, `results`, `jobs`, `work`, `nodes`, `events`, `files`, `health`, `pages`) reads its
`params` and `body` and asks the `committer`, whose thread owns the store and commits in
groups. `watch` and `idle` look after those who wait, `pulse` after the figures (one `reading` a
second), and `beat` says that this endpoint is alive.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from workmill.endpoint.settings import EndpointSettings, check_exposure

if TYPE_CHECKING:
    from workmill.endpoint.server import Endpoint, serve

__all__ = ["Endpoint", "EndpointSettings", "check_exposure", "serve"]


def __getattr__(name: str) -> object:
    """Load on first use: whoever only starts endpoints must not pay for serving."""
    if name in {"Endpoint", "serve"}:
        from workmill.endpoint import server

        return getattr(server, name)
    raise AttributeError(f"module 'workmill.endpoint' has no attribute {name!r}")
