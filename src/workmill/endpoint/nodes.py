"""The controller's face: figures, live nodes and their beats, and who leads."""

from __future__ import annotations

from typing import Final

from workmill.domain import limits
from workmill.domain.errors import InvalidInput
from workmill.domain.job import Candidacy, Load, Node
from workmill.endpoint.body import read_body
from workmill.endpoint.http import Reply, Request
from workmill.endpoint.service import Service
from workmill.wire import codecs
from workmill.wire.messages import NodeList

MAX_BEAT_BYTES: Final = 16 * 1024
ROLES: Final = ("worker", "controller")
"""Who beats through an endpoint."""
_MOST: Final = 2**63 - 1


async def stats(service: Service, _request: Request) -> Reply:
    """The counters as they are now, with the fleet's rate and the predicted wait."""
    service.deliveries.hurry()
    await service.pulse.read(service.committer)
    return Reply.json(service.pulse.view())


async def nodes(service: Service, _request: Request) -> Reply:
    """Every process that has beaten lately."""
    return Reply.json(NodeList(nodes=await service.committer.nodes()))


async def beat(service: Service, request: Request) -> Reply:
    """A worker or a controller is alive."""
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
    """Who serves is known to the balancer, so endpoints beat by themselves, straight to the store.
    And every prediction is made from sums: one NaN would spoil them all."""
    if node.role not in ROLES or node.serves:
        raise InvalidInput(
            f"Only a {' or a '.join(ROLES)} beats by this call, and `serves` stays empty: an "
            "endpoint says by itself where it serves. Nothing was kept."
        )
    _check_range(node, ("pid", "slots", "leased", "leads"), _MOST)
    _check_range(node, ("rate_hz",), limits.MAX_RATE_HZ)
    _check_range(node.load, ("resident_bytes",), _MOST)
    _check_range(node.load, ("cpu_cores", "loop_lag_seconds", "requests_hz"), limits.MAX_RATE_HZ)
    _check_range(node.load, ("memory_fraction", "disk_fraction"), 1.0)
    if node.leads and node.role != "controller":
        raise InvalidInput("Only a controller leads. Nothing was kept.")
    words = (node.incarnation, node.role, node.host, node.version)
    if max(map(len, words)) > limits.MAX_NAME_CHARACTERS:
        raise InvalidInput(f"A name has at most {limits.MAX_NAME_CHARACTERS} characters.")


def _check_range(said: Node | Load, names: tuple[str, ...], most: float) -> None:
    """Each from 0 to `most`; what is not a number is not."""
    for name in names:
        if not 0 <= getattr(said, name) <= most:
            raise InvalidInput(f"{name} must be from 0 to {most:g}. Nothing was kept.")
