"""Looking at jobs: one (with a long-poll), a page of them; and calling off one or many."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from workmill.domain.errors import (
    AlreadyEnded,
    InvalidInput,
    NotFound,
    StoreUnavailable,
    Unavailable,
    WorkmillError,
)
from workmill.domain.ids import id_text, parse_id
from workmill.domain.job import Job, Query, Verdict
from workmill.domain.lifecycle import ENDED, Status
from workmill.endpoint import query_params
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.request_body import read_body
from workmill.wire import codecs
from workmill.wire.messages import Cancel, CancelReply, JobList, JobView

MAX_CANCEL_BYTES: Final = 1024 * 1024


async def get_job(service: Service, request: Request) -> Reply:
    """One job as it stands; with `wait`, as soon as it has ended or the seconds are over."""
    job_id = query_params.JOB_ID.read(request.argument)
    wait_seconds = query_params.WAIT.read(request.query)
    service.deliveries.hurry()
    job = await _find(service, job_id)
    if wait_seconds > 0 and job.status not in ENDED and not service.watch.full:
        job = await _ended(service, job, wait_seconds)
    return Reply.json(_view(service, job))


async def list_jobs(service: Service, request: Request) -> Reply:
    """One page of jobs, newest first; `next_after` of a page is `after` of the next."""
    after = query_params.AFTER.read(request.query)
    status = query_params.STATUS.read(request.query)
    service.deliveries.hurry()
    page = await service.committer.find(
        Query(
            status=None if status is None else Status(status),
            after=None if after == query_params.AFTER.default else after,
            limit=query_params.LIMIT.read(request.query),
        )
    )
    views = [_view(service, job) for job in page.jobs]
    return Reply.json(JobList(jobs=views, next_after=page.next_after))


async def cancel_job(service: Service, request: Request) -> Reply:
    """Call a job off. One that has ended with a result or a failure is kept as it is."""
    job_id = query_params.JOB_ID.read(request.argument)
    (verdict,) = await service.committer.cancel((job_id,))
    job = await _find(service, job_id)
    if verdict is not Verdict.APPLIED and job.status is not Status.CANCELLED:
        raise _already_ended(job_id)
    service.watch.hint((job_id,))
    service.idle.wake()
    return Reply.json(_view(service, job))


async def cancel_jobs(service: Service, request: Request) -> Reply:
    """Call many jobs off in one step, each cancelled or refused by itself as a single one would
    be; the replies stand in the order of the ids."""
    body = await read_body(
        request, max_bytes=MAX_CANCEL_BYTES, seconds=service.settings.body_seconds
    )
    texts = codecs.from_callers_json(body, Cancel).ids
    refused: dict[str, WorkmillError] = {}
    ids: dict[str, bytes] = {}
    for text in texts:
        try:
            ids[text] = parse_id(text)
        except InvalidInput as error:
            refused[text] = error
    refused |= await _cancel_all(service, ids)
    return Reply.json([_told(text, refused.get(text)) for text in texts])


async def _cancel_all(service: Service, ids: dict[str, bytes]) -> dict[str, WorkmillError]:
    """Cancel all of them in one group; gives why some are not."""
    if not ids:
        return {}
    answers = await service.committer.cancel(tuple(ids.values()))
    service.watch.hint(tuple(ids.values()))
    service.idle.wake()
    verdicts = dict(zip(ids, answers, strict=True))
    ended = [text for text, verdict in verdicts.items() if verdict is Verdict.REFUSED]
    for text, job in zip(ended, await _look_again(service, ids, ended), strict=True):
        if job is not None and job.status is Status.CANCELLED:
            verdicts[text] = Verdict.APPLIED  # before, which is as good
    return {
        text: _why_not(ids[text], verdict)
        for text, verdict in verdicts.items()
        if verdict is not Verdict.APPLIED
    }


async def _look_again(
    service: Service, ids: dict[str, bytes], ended: list[str]
) -> Sequence[Job | None]:
    """What became of those that could not be cancelled. The others are cancelled already: a look
    that fails must not be told as a failure of the whole."""
    if not ended:
        return []
    try:
        return await service.committer.get([ids[text] for text in ended])
    except Unavailable:
        return [None] * len(ended)


def _why_not(job_id: bytes, verdict: Verdict) -> WorkmillError:
    if verdict is Verdict.UNKNOWN:
        return _unknown(job_id)
    if verdict is Verdict.UNAVAILABLE:
        return StoreUnavailable(
            f"Whether the job {id_text(job_id)} is cancelled is not known: its part of the store "
            "is away. Cancel it again later; that is harmless."
        )
    return _already_ended(job_id)


def _told(text: str, error: WorkmillError | None) -> CancelReply:
    if error is None:
        return CancelReply(id=text)
    return CancelReply(id=text[:64], status="refused", problem=error.detail, slug=error.slug)


async def _find(service: Service, job_id: bytes) -> Job:
    (job,) = await service.committer.get((job_id,))
    if job is None:
        raise _unknown(job_id)
    return job


def _unknown(job_id: bytes) -> NotFound:
    return NotFound(
        f"There is no job {id_text(job_id)}. It was never taken in, or its retention is over."
    )


def _already_ended(job_id: bytes) -> AlreadyEnded:
    return AlreadyEnded(f"The job {id_text(job_id)} has ended already. It was kept as it is.")


async def _ended(service: Service, job: Job, wait_seconds: float) -> Job:
    """The job at its end, or as it stands when the time is over or the endpoint drains."""
    with service.watch.following((job.id,)) as watcher:
        try:
            async with asyncio.timeout(wait_seconds):
                while job.status not in ENDED and not watcher.ended:
                    news = await watcher.news()
                    job = news[-1] if news else job
        except TimeoutError:
            pass
    # While the store is away nothing was seen of the job: that is said, and not how it was.
    return job if service.pulse.healthy else await _find(service, job.id)


def _view(service: Service, job: Job) -> JobView:
    return JobView.of(job, service.pulse.eta_of(job))
