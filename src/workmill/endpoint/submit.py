"""Submitting one job: the compatible `PUT /enqueue`, and `PUT /v1/jobs/{id}`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from workmill.domain.errors import Conflict, StoreUnavailable
from workmill.domain.ids import id_text
from workmill.domain.job import DEFAULT_TENANT, NewJob, Submitted, content_key
from workmill.domain.lifecycle import FINISHED, Status
from workmill.endpoint import query_params
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import LENGTH, TYPE, Reply, Request
from workmill.endpoint.request_body import fold_body
from workmill.wire.messages import SubmitReply
from workmill.workloads.port import Workload
from workmill.workloads.registry import DEFAULT_WORKLOAD, find_workload

_ID_REPLY: Final = b'{"id":"%b"}'
_ID_HEADERS: Final = [
    (TYPE, b"application/json"),
    (LENGTH, str(len(_ID_REPLY % (b"0" * 36))).encode()),
]


async def enqueue(service: Service, request: Request) -> Reply:
    """Take in the body as data; the reply has an id, and the value when it is known already."""
    iterations = query_params.ITERATIONS.read(request.query, service.settings)
    workload = find_workload(DEFAULT_WORKLOAD)
    service.committer.check_room()
    job = await _fold(service, request, workload, None, iterations)
    submitted = await _submit(service, job)
    if submitted.state is not None and submitted.status in FINISHED:
        return Reply.json(reply_to(submitted))
    return Reply(200, _ID_REPLY % id_text(job.id).encode(), _ID_HEADERS)


async def put_job(service: Service, request: Request) -> Reply:
    """Submit under the caller's own id; a repeat changes nothing and answers the same."""
    job_id = query_params.JOB_ID.read(request.argument)
    iterations = query_params.ITERATIONS.read(request.query, service.settings)
    priority = query_params.PRIORITY.read(request.query)
    workload = find_workload(query_params.WORKLOAD.read(request.query) or DEFAULT_WORKLOAD)
    service.committer.check_room()
    job = await _fold(service, request, workload, job_id, iterations, priority)
    submitted = await _submit(service, job)
    if submitted.conflict:
        raise Conflict(conflict_text(job_id))
    return Reply.json(reply_to(submitted, eta_of(service.pulse.eta_of_new, job, submitted)))


def eta_of(
    eta_of_new: Callable[[int, int], float | None], job: NewJob, submitted: Submitted
) -> float | None:
    """When a job that was just queued will be done, by the last reading. Of one that is attached
    only a look at the job it waits for could tell."""
    if submitted.status is not Status.QUEUED:
        return None
    return eta_of_new(job.priority, job.total - submitted.done)


def reply_to(submitted: Submitted, eta_seconds: float | None = None) -> SubmitReply:
    """What the submitter reads: three finished statuses are one to it."""
    finished = submitted.status in FINISHED
    return SubmitReply(
        id=id_text(submitted.id),
        status="done" if finished else str(submitted.status),
        done=submitted.done,
        value=submitted.state.hex() if finished and submitted.state is not None else None,
        eta_seconds=eta_seconds,
    )


def conflict_text(job_id: bytes) -> str:
    """What to tell somebody whose id is taken."""
    return (
        f"The id {id_text(job_id)} already names a job with other data, iterations or workload. "
        "That job was kept as it is. Submit this work under a new id."
    )


async def _fold(
    service: Service,
    request: Request,
    workload: Workload,
    job_id: bytes | None,
    iterations: int,
    priority: int = 0,
) -> NewJob:
    settings = service.settings
    state = await fold_body(
        request, workload, max_bytes=settings.max_body_bytes, seconds=settings.body_seconds
    )
    key = content_key(DEFAULT_TENANT, workload.name, state)
    return NewJob(
        id=job_id or service.committer.new_id(key),
        workload=workload.name,
        key=key,
        total=iterations,
        state=state,
        priority=priority,
        fresh=job_id is None,
    )


async def _submit(service: Service, job: NewJob) -> Submitted:
    (submitted,) = await service.committer.submit((job,))
    if isinstance(submitted, StoreUnavailable):
        raise submitted
    if submitted.created:
        service.idle.wake()
    return submitted
