"""Health, readiness and metrics: what machines ask an endpoint about itself."""

from __future__ import annotations

from workmill.domain.errors import Unavailable
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import Reply, Request
from workmill.telemetry.prometheus import CONTENT_TYPE
from workmill.wire.messages import Readiness


async def healthz(_service: Service, _request: Request) -> Reply:
    """The process is alive and its loop turns."""
    return Reply.json({"status": "alive"})


async def readyz(service: Service, _request: Request) -> Reply:
    """Whether new calls should be sent here: 503 before and in a drain, or without a store. A store
    that lacks some of its parts is ready, and they are named; so is one without room for new jobs,
    which is `full`."""
    if (why := service.problem) is not None:
        raise Unavailable(f"This endpoint {why}. Use another one.", retry_after_seconds=1)
    reading = service.pulse.latest()
    stats = reading.stats if reading else None
    return Reply.json(
        Readiness(
            status="ready",
            unavailable=stats.unavailable if stats else (),
            full=service.committer.proofs.full,
            warnings=stats.warnings if stats else (),
        )
    )


async def metrics(service: Service, _request: Request) -> Reply:
    """The figures of this process and its store, for Prometheus."""
    return Reply.of(service.metrics.render(), CONTENT_TYPE)
