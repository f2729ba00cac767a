"""The worker's face: lease, renew, complete, fail, release. MessagePack in batches.

None of these is ever refused for overload: they make the backlog smaller.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final, TypeVar

from workmill.domain import limits
from workmill.domain.errors import InvalidInput
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
from workmill.endpoint.http import Reply, Request
from workmill.endpoint.idle import may_leave_more
from workmill.endpoint.service import Service
from workmill.wire import codecs

T = TypeVar("T")

MAX_WORK_BYTES: Final = 1024 * 1024
MAX_LEASE_SECONDS: Final = 3600.0
MAX_STATE_BYTES: Final = 4096
_MAX_INTEGER: Final = 2**63 - 1


async def lease(service: Service, request: Request) -> Reply:
    """Grant jobs; with `wait`, as soon as there are any or the seconds are over.

    Who ends his sending waits no longer: nobody could tell him from a worker that has hung up.
    """
    seconds = params.seconds(request.query, "wait", limits.MAX_WAIT_SECONDS, 0.0)
    wanted = await _read(service, request, LeaseRequest)
    _check_lease(wanted)
    ended = asyncio.ensure_future(request.sending_ended())
    try:
        leases = await _granted(service, wanted, seconds, ended)
    finally:
        ended.cancel()
    reply = Reply.msgpack(leases)
    if leases:
        reply.on_arrival = service.deliveries.released_unless_arrived(leases)
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
    for one in renewals:
        _check_change(one.token, one.state, one.done)
        _check_lease_seconds(one.lease_seconds)
    return Reply.msgpack(await service.committer.work("renew", renewals))


async def complete(service: Service, request: Request) -> Reply:
    """Finish jobs with their values."""
    completions = await _read(service, request, list[Completion])
    for one in completions:
        _check_change(one.token, one.state)
    verdicts = await service.committer.work("complete", completions)
    service.watch.hint(one.id for one in completions)
    return Reply.msgpack(verdicts)


async def fail(service: Service, request: Request) -> Reply:
    """Report failed attempts."""
    failures = await _read(service, request, list[Failure])
    for one in failures:
        _check_change(one.token, b"")
        if len(one.reason) > limits.MAX_REASON_CHARACTERS:
            raise InvalidInput(f"A reason has at most {limits.MAX_REASON_CHARACTERS} characters.")
    return await _requeue(service, "fail", failures)


async def release(service: Service, request: Request) -> Reply:
    """Hand jobs back with their checkpoints."""
    releases = await _read(service, request, list[Release])
    for one in releases:
        _check_change(one.token, one.state, one.done)
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


def _check_lease(wanted: LeaseRequest) -> None:
    _check_lease_seconds(wanted.lease_seconds)
    if not 1 <= wanted.min_jobs <= wanted.max_jobs <= limits.MAX_LEASE_JOBS:
        raise InvalidInput(
            f"min_jobs and max_jobs must be ordered, from 1 to {limits.MAX_LEASE_JOBS}."
        )
    if not 0 <= wanted.max_cost <= _MAX_INTEGER:
        raise InvalidInput("max_cost must be from 0 to 2**63 - 1.")
    if len(wanted.worker) > limits.MAX_NAME_CHARACTERS:
        raise InvalidInput(f"A worker's name has at most {limits.MAX_NAME_CHARACTERS} characters.")


def _check_lease_seconds(seconds: float) -> None:
    if not 0 < seconds <= MAX_LEASE_SECONDS:
        raise InvalidInput(f"lease_seconds must be above 0 and at most {MAX_LEASE_SECONDS:g}.")


def _check_change(token: int, state: bytes, done: int = 0) -> None:
    """What no store could hold is refused here: a bad word of one worker harms no group."""
    if not (0 <= token <= _MAX_INTEGER and 0 <= done <= _MAX_INTEGER):
        raise InvalidInput("token and done must be from 0 to 2**63 - 1. Nothing was changed.")
    if len(state) > MAX_STATE_BYTES:
        raise InvalidInput(f"A state has at most {MAX_STATE_BYTES} bytes. Nothing was changed.")
