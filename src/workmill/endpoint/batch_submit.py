"""`POST /v1/jobs`: up to a thousand jobs in one body, each taken or refused by itself.

Decoding and folding run in a thread. All data of a batch is folded in one call, which a kernel
makes without the interpreter lock, so the loop goes on answering meanwhile. The bytes of all
batches in memory together are bounded.

Data is folded where it lies: a batch is joined in its thread's own scratch, which is used again
and again, and its items are views of that. Memory that is new for each batch would cost a page
fault for every 4 KiB, more than the hashing of it.
"""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Annotated, NamedTuple, TypeAlias

from msgspec import Meta

from workmill.domain import limits
from workmill.domain.errors import (
    Conflict,
    InvalidInput,
    StoreUnavailable,
    Unavailable,
    WorkmillError,
)
from workmill.domain.ids import id_text, parse_id
from workmill.domain.job import DEFAULT_TENANT, NewJob, Submitted, content_key
from workmill.endpoint.context import Service
from workmill.endpoint.handlers import TYPE, Reply, Request, too_large
from workmill.endpoint.request_body import body_chunks
from workmill.endpoint.settings import EndpointSettings
from workmill.endpoint.submit import conflict_text, eta_of, reply_to
from workmill.wire import codecs
from workmill.wire.messages import BatchItem, SubmitReply
from workmill.workloads.port import Body, Workload
from workmill.workloads.registry import find_workload

Batch: TypeAlias = Annotated[list[BatchItem], Meta(min_length=1, max_length=limits.MAX_BATCH_JOBS)]
"""Its length is checked before its items are made: a batch of millions costs nothing."""


class _Sound(NamedTuple):
    id: bytes | None
    workload: Workload
    item: BatchItem


class _Refused(NamedTuple):
    id: str
    why: str
    slug: str


async def post_jobs(service: Service, request: Request) -> Reply:
    """Submit a batch; the replies stand in the order of the items."""
    lines = _is_ndjson(request.header(TYPE))
    service.committer.check_room()
    held = 0
    chunks: list[bytes] = []
    settings = service.settings
    try:
        async for chunk in body_chunks(
            request, max_bytes=settings.max_batch_bytes, seconds=settings.body_seconds
        ):
            held += len(chunk)
            service.batch_bytes += len(chunk)
            if service.batch_bytes > settings.max_uncommitted_batch_bytes:
                raise Unavailable(
                    "Too many large batches are under way. Nothing was stored. Retry later.",
                    retry_after_seconds=2,
                )
            chunks.append(chunk)
        items = await asyncio.get_running_loop().run_in_executor(
            service.folders, _fold_all, chunks, lines, service
        )
        replies = await _submit_all(service, items)
    finally:
        service.batch_bytes -= held
    if lines:
        return Reply.of(codecs.to_ndjson(replies), codecs.NDJSON)
    return Reply.msgpack(replies)


def _is_ndjson(kind: bytes | None) -> bool:
    base = (kind or b"").partition(b";")[0].strip().lower().decode("latin-1")
    if base in {codecs.NDJSON, "application/ndjson", "application/jsonl"}:
        return True
    if base in {codecs.MSGPACK, "application/x-msgpack"}:
        return False
    raise InvalidInput(
        f"A batch is {codecs.MSGPACK} or {codecs.NDJSON}, not {base[:60]!r}. Nothing was stored. "
        "Set the Content-Type."
    )


def _fold_all(chunks: list[bytes], lines: bool, service: Service) -> list[NewJob | _Refused]:
    """Decode and fold. Raises InvalidInput when the body as a whole makes no sense."""
    if lines:
        items = codecs.from_ndjson(b"".join(chunks), BatchItem, max_lines=limits.MAX_BATCH_JOBS)
    else:
        items = codecs.from_callers_msgpack(_scratch.joined(chunks), Batch)
    chunks.clear()
    if not items:
        raise InvalidInput("A batch has at least one job. Nothing was stored.")
    judged = [_judged(item, service.settings) for item in items]
    states = _states(judged)
    new_id = service.committer.new_id
    return [one if isinstance(one, _Refused) else _new_job(one, states, new_id) for one in judged]


class _Scratch(threading.local):
    """Room for one batch, kept by its thread; what it gives is good until the next batch."""

    def __init__(self) -> None:
        self._room = bytearray()

    def joined(self, chunks: Sequence[bytes]) -> memoryview:
        """The chunks as one piece."""
        size = sum(map(len, chunks))
        if len(self._room) < size:
            self._room = bytearray(size)
        end = 0
        for chunk in chunks:
            self._room[end : end + len(chunk)] = chunk
            end += len(chunk)
        return memoryview(self._room).toreadonly()[:end]


_scratch = _Scratch()


def _judged(item: BatchItem, settings: EndpointSettings) -> _Sound | _Refused:
    try:
        return _checked(item, settings)
    except WorkmillError as error:
        return _Refused((item.id or "")[:64], error.detail, error.slug)


def _checked(item: BatchItem, settings: EndpointSettings) -> _Sound:
    job_id = None if item.id is None else parse_id(item.id)
    workload = find_workload(item.workload)
    if not 1 <= item.iterations <= settings.max_iterations:
        raise InvalidInput(f"iterations is not between 1 and {settings.max_iterations}.")
    if not limits.MIN_PRIORITY <= item.priority <= limits.MAX_PRIORITY:
        raise InvalidInput(
            f"priority is not between {limits.MIN_PRIORITY} and {limits.MAX_PRIORITY}."
        )
    if (item.data is None) == (item.digest is None):
        raise InvalidInput("Give either data or digest, and not both.")
    if item.data is not None:
        if len(item.data) > settings.max_body_bytes:
            raise too_large(settings.max_body_bytes)
    elif len(item.digest or b"") != workload.state_bytes:
        raise InvalidInput(f"A {workload.name} digest has {workload.state_bytes} bytes.")
    return _Sound(job_id, workload, item)


def _states(judged: Sequence[_Sound | _Refused]) -> dict[str, Iterator[bytes]]:
    """The first states of all data, in order, under the name of its workload."""
    bodies: defaultdict[str, list[Body]] = defaultdict(list)
    for one in judged:
        if isinstance(one, _Sound) and one.item.data is not None:
            bodies[one.item.workload].append(one.item.data)
    return {name: iter(find_workload(name).fold_all(data)) for name, data in bodies.items()}


def _new_job(
    sound: _Sound, states: dict[str, Iterator[bytes]], new_id: Callable[[bytes], bytes]
) -> NewJob:
    item, name = sound.item, sound.workload.name
    state = next(states[item.workload]) if item.digest is None else item.digest
    key = content_key(DEFAULT_TENANT, name, state)
    return NewJob(
        id=sound.id or new_id(key),
        workload=name,
        key=key,
        total=item.iterations,
        state=state,
        priority=item.priority,
        fresh=sound.id is None,
    )


async def _submit_all(service: Service, items: Sequence[NewJob | _Refused]) -> list[SubmitReply]:
    jobs = [item for item in items if isinstance(item, NewJob)]
    answers = iter(await service.committer.submit(jobs) if jobs else ())
    service.idle.wake(len(jobs))
    eta_of_new = cache(service.pulse.eta_of_new)
    return [
        _refusal(item) if isinstance(item, _Refused) else _reply(item, next(answers), eta_of_new)
        for item in items
    ]


def _reply(
    job: NewJob,
    submitted: Submitted | StoreUnavailable,
    eta_of_new: Callable[[int, int], float | None],
) -> SubmitReply:
    if isinstance(submitted, StoreUnavailable):
        return _refusal(_Refused(id_text(job.id), submitted.detail, submitted.slug))
    if submitted.conflict:
        why = conflict_text(job.id)
        return _refusal(_Refused(id_text(job.id), why, Conflict.slug))
    return reply_to(submitted, eta_of(eta_of_new, job, submitted))


def _refusal(item: _Refused) -> SubmitReply:
    return SubmitReply(id=item.id, status="refused", problem=item.why, slug=item.slug)
