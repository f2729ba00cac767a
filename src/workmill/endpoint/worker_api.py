"""The worker's face: lease, renew, complete, fail, release. MessagePack in batches.

None of these is ever refused for overload: they make the backlog smaller. What no store could hold
is refused as it is decoded (`domain.job` has the bounds): a bad word of one worker harms no group.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, TypeVar

from workmill.domain.job import (
    Completion,
    Failure,
    Lease,
    LeaseRequest,
    Release,
    Renewal,
    Verdict,
)
from workmill.endpoint import query_params
from workmill.endpoint.context import Service
from workmill.endpoint.deliveries import LEASE_HOLD_SECONDS
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.request_body import read_body
from workmill.endpoint.waiting_workers import may_leave_more
from workmill.wire import codecs

T = TypeVar("T")

MAX_WORK_BYTES: Final = 1024 * 1024


async def lease(service: Service, request: Request) -> Reply:
    """Grant jobs; with `wait`, as soon as there are any or the seconds are over.

    Who ends his sending waits no longer: nobody could tell him from a worker that has hung up.
    """
    seconds = query_params.WAIT.read(request.query)
    wanted = await _read(service, request, LeaseRequest)
    service.deliveries.hand_back(service.grants.unheard_by(wanted))
    ended = asyncio.ensure_future(request.sending_ended())
    try:
        leases = await _granted(service, wanted, seconds, ended)
    finally:
        ended.cancel()
    reply = Reply.msgpack(leases)
    if leases:
        service.grants.remember(wanted, leases)
        reply.on_arrival = service.deliveries.released_unless_arrived(leases)
        reply.hold_seconds = LEASE_HOLD_SECONDS
    return reply


async def _granted(
    service: Service, wanted: LeaseRequest, seconds: float, ended: asyncio.Future[None]
) -> list[Lease]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not service.draining:
        leases = await service.committer.lease(wanted)
        if leases:
            if may_leave_more(leases, wanted):
                service.idle.wake()
            return leases
        left = deadline - loop.time()
        if left <= 0 or not await service.idle.wait(left, ended):
            break
    return []


async def renew(service: Service, request: Request) -> Reply:
    """Keep leases and move checkpoints on."""
    renewals = await _read(service, request, list[Renewal])
    return Reply.msgpack(await service.committer.work("renew", renewals))


async def complete(service: Service, request: Request) -> Reply:
    """Finish jobs with their values."""
    completions = await _read(service, request, list[Completion])
    verdicts = await service.committer.work("complete", completions)
    service.watch.hint(one.id for one in completions)
    return Reply.msgpack(verdicts)


async def fail(service: Service, request: Request) -> Reply:
    """Report failed attempts."""
    failures = await _read(service, request, list[Failure])
    return await _requeue(service, "fail", failures)


async def release(service: Service, request: Request) -> Reply:
    """Hand jobs back with their checkpoints."""
    releases = await _read(service, request, list[Release])
    return await _requeue(service, "release", releases)


async def _requeue(
    service: Service, verb: str, items: Sequence[Failure] | Sequence[Release]
) -> Reply:
    verdicts: list[Verdict] = await service.committer.work(verb, items)
    service.watch.hint(one.id for one in items)
    service.idle.wake(len(items))
    return Reply.msgpack(verdicts)


async def _read(service: Service, request: Request, kind: type[T]) -> T:
    body = await read_body(request, max_bytes=MAX_WORK_BYTES, seconds=service.settings.body_seconds)
    return codecs.from_msgpack(body, kind)
