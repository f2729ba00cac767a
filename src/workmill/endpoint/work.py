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
from workmill.endpoint import params
from workmill.endpoint.body import read_body
from workmill.endpoint.http import ClientGone, Reply, Request
from workmill.endpoint.idle import may_leave_more
from workmill.endpoint.service import Service
from workmill.wire import codecs

T = TypeVar("T")

MAX_WORK_BYTES: Final = 1024 * 1024


async def lease(service: Service, request: Request) -> Reply:
    """Grant jobs; with `wait`, as soon as there are any or the seconds are over."""
    seconds = params.WAIT.read(request.query)
    wanted = await _read(service, request, LeaseRequest)
    gone = asyncio.ensure_future(request.disconnected())
    try:
        return Reply.msgpack(await _granted(service, wanted, seconds, gone))
    finally:
        gone.cancel()


async def _granted(
    service: Service, wanted: LeaseRequest, seconds: float, gone: asyncio.Future[None]
) -> list[Lease]:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + seconds
    while not service.draining:
        leases = await service.committer.lease(wanted)
        if leases and gone.done():
            await _hand_back(service, leases)
            raise ClientGone
        if leases:
            if may_leave_more(leases, wanted):
                service.idle.wake()
            return leases
        left = deadline - loop.time()
        if left <= 0 or not await service.idle.wait(left, gone):
            break
    return []


async def _hand_back(service: Service, leases: Sequence[Lease]) -> None:
    """The worker hung up while it was granted these: no attempt is burnt, no lease runs out."""
    await service.committer.work(
        "release",
        [one.unused() for one in leases],
    )
    service.idle.wake()


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
