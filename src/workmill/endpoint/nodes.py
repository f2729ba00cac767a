"""The controller's face: figures, live nodes and their beats, and who leads."""

from __future__ import annotations

from typing import Final

from workmill.domain import limits
from workmill.domain.errors import InvalidInput
from workmill.domain.job import Candidacy, Node
from workmill.endpoint.body import read_body
from workmill.endpoint.http import Reply, Request
from workmill.endpoint.service import Service
from workmill.wire import codecs
from workmill.wire.messages import NodeList

MAX_BEAT_BYTES: Final = 16 * 1024


async def stats(service: Service, _request: Request) -> Reply:
    """The counters as they are now, with the fleet's rate and the predicted wait."""
    await service.pulse.read(service.committer)
    return Reply.json(service.pulse.view())


async def nodes(service: Service, _request: Request) -> Reply:
    """Every process that has beaten lately."""
    return Reply.json(NodeList(nodes=await service.committer.nodes()))


async def beat(service: Service, request: Request) -> Reply:
    """A node is alive."""
    body = await read_body(request, max_bytes=MAX_BEAT_BYTES, seconds=service.settings.body_seconds)
    node = codecs.from_msgpack(body, Node)
    _check(node)
    await service.committer.beat((node,))
    return Reply.empty()


async def lead(service: Service, request: Request) -> Reply:
    """A controller wants to lead, or to go on leading; says who leads and with which token."""
    body = await read_body(request, max_bytes=MAX_BEAT_BYTES, seconds=service.settings.body_seconds)
    candidacy = codecs.from_json(body, Candidacy)
    if not 0 < len(candidacy.candidate) <= limits.MAX_NAME_CHARACTERS:
        raise InvalidInput(
            f"A candidate has 1 to {limits.MAX_NAME_CHARACTERS} characters. Nothing was changed."
        )
    if not 0 <= candidacy.lease_seconds <= limits.MAX_LEAD_SECONDS:
        raise InvalidInput(
            f"lease_seconds must be from 0 to {limits.MAX_LEAD_SECONDS:g}. Nothing was changed."
        )
    (leadership,) = await service.committer.lead((candidacy,))
    return Reply.json(leadership)


def _check(node: Node) -> None:
    """Every prediction is made from the sum of the rates: one NaN would spoil them all."""
    numbers = (node.pid, node.slots, node.leased)
    if min(numbers) < 0 or max(numbers) >= 2**63:
        raise InvalidInput("pid, slots and leased must be from 0 to 2**63 - 1. Nothing was kept.")
    if not 0 <= node.rate_hz <= limits.MAX_RATE_HZ:
        raise InvalidInput(f"rate_hz must be from 0 to {limits.MAX_RATE_HZ:g}. Nothing was kept.")
    words = (node.incarnation, node.role, node.host, node.version)
    if max(map(len, words)) > limits.MAX_NAME_CHARACTERS:
        raise InvalidInput(f"A name has at most {limits.MAX_NAME_CHARACTERS} characters.")
