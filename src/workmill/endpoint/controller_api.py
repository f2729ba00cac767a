"""The controller's face: figures, live nodes and their beats, and who leads."""

from __future__ import annotations

from typing import Final

from workmill.domain.job import Candidacy
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.request_body import read_body
from workmill.wire import codecs
from workmill.wire.heartbeats import Beat
from workmill.wire.messages import NodeList

MAX_BEAT_BYTES: Final = 16 * 1024


async def stats(service: Service, _request: Request) -> Reply:
    """The counters as they are now, with the fleet's rate and the predicted wait; 503 while the
    store does not answer, and never figures as they were."""
    service.deliveries.hurry()
    reading = await service.pulse.read_now(service.committer)
    return Reply.json(reading.view(0.0))


async def nodes(service: Service, _request: Request) -> Reply:
    """Every process that has beaten lately; 503 while the store does not answer."""
    reading = await service.pulse.read_now(service.committer)
    return Reply.json(NodeList(nodes=list(reading.nodes)))


async def beat(service: Service, request: Request) -> Reply:
    """A worker or a controller is alive."""
    body = await read_body(request, max_bytes=MAX_BEAT_BYTES, seconds=service.settings.body_seconds)
    said = codecs.from_msgpack(body, Beat)
    await service.committer.beat((said.node(),))
    return Reply.empty()


async def lead(service: Service, request: Request) -> Reply:
    """A controller wants to lead, or to go on leading; says who leads and with which token."""
    body = await read_body(request, max_bytes=MAX_BEAT_BYTES, seconds=service.settings.body_seconds)
    candidacy = codecs.from_callers_json(body, Candidacy)
    (leadership,) = await service.committer.lead((candidacy,))
    return Reply.json(leadership)
