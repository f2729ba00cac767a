"""Handing out results: the compatible pull, delivered once, and the pull with a receipt."""

from __future__ import annotations

from workmill.domain.errors import InvalidInput
from workmill.domain.ids import id_text, parse_id
from workmill.domain.job import Acknowledgement, PullRequest, Result
from workmill.endpoint import query_params
from workmill.endpoint.context import Service
from workmill.endpoint.deliveries import PULL_HOLD_SECONDS, RECEIPT_SECONDS
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.request_body import read_body
from workmill.wire import codecs
from workmill.wire.messages import Acknowledge, Acknowledged, CompatibleResult, PulledResults

MAX_ACK_BYTES = 1024 * 1024


async def pull_completed(service: Service, request: Request) -> Reply:
    """Up to `top` finished results, latest first, each delivered once; `[]` when none is there."""
    top = query_params.TOP.read(request.query)
    service.deliveries.hurry()
    wanted = PullRequest(top=top, receipt_seconds=RECEIPT_SECONDS)
    pulled = await service.committer.pull(wanted)
    reply = Reply.json(_shown(pulled.results))
    if pulled.receipt is not None:
        reply.on_arrival = service.deliveries.settled_by(pulled.receipt)
        reply.hold_seconds = PULL_HOLD_SECONDS
    return reply


async def pull_results(service: Service, request: Request) -> Reply:
    """Up to `top` results under a receipt; what is not acknowledged in time comes back."""
    top = query_params.TOP.read(request.query)
    seconds = query_params.RECEIPT.read(request.query)
    service.deliveries.hurry()
    pulled = await service.committer.pull(PullRequest(top=top, receipt_seconds=seconds))
    receipt = pulled.receipt.hex() if pulled.receipt is not None else None
    reply = Reply.json(PulledResults(results=_shown(pulled.results), receipt=receipt))
    if pulled.receipt is not None:
        reply.on_arrival = service.deliveries.returned_unless_arrived(pulled.receipt)
        reply.hold_seconds = PULL_HOLD_SECONDS
    return reply


async def acknowledge(service: Service, request: Request) -> Reply:
    """These results have arrived; says how many are now delivered for good."""
    body = await read_body(request, max_bytes=MAX_ACK_BYTES, seconds=service.settings.body_seconds)
    message = codecs.from_callers_json(body, Acknowledge)
    try:
        receipt = bytes.fromhex(message.receipt)
    except ValueError:
        raise InvalidInput("The receipt is not hexadecimal. Nothing was changed.") from None
    ids = None if message.ids is None else tuple(parse_id(text) for text in message.ids)
    (delivered,) = await service.committer.acknowledge((Acknowledgement(receipt=receipt, ids=ids),))
    return Reply.json(Acknowledged(delivered=delivered))


def _shown(results: list[Result]) -> list[CompatibleResult]:
    return [CompatibleResult(id=id_text(one.id), value=one.state.hex()) for one in results]
