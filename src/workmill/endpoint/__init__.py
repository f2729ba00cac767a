"""The HTTP service: parse, call one store verb, reply.

A request's way: `app` finds its call in `routes` and checks the key; a handler (`submit`,
`batch_submit`, `results`, `jobs`, `worker_api`, `controller_api`, `event_stream`, `backup`,
`probes`, `html_pages`) reads its `query_params` and `request_body` and asks the `committer`, whose
thread owns the store and commits in groups. `job_watcher` and `waiting_workers` look after those
who wait, `stats_poller` after the figures (one `stats_reading` a second), and `heartbeat` says that
this endpoint is alive.
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
