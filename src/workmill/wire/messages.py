"""The JSON and MessagePack bodies of the HTTP face that are not domain values themselves.

In JSON, ids are canonical UUID text and values are lower-case hex. The worker's face is
MessagePack only and carries domain values (`domain.job`) with raw bytes.
"""

from __future__ import annotations

from typing import Annotated, Final

import msgspec

from workmill.domain import ids, limits
from workmill.domain.job import Job, Node, Stats
from workmill.domain.lifecycle import FINISHED, Status

IdText = Annotated[str, msgspec.Meta(extra_json_schema={"pattern": ids.ID_PATTERN})]
"""A UUID. What is none is refused by `ids.parse_id`, in better words than a decoder has."""


class Message(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Base of all bodies; fields that stand at their default are left out."""


class BatchItem(Message, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """One job of `POST /v1/jobs`: its `data`, or the `digest` that the client folded itself.

    MessagePack carries both as raw bytes, NDJSON as Base64. `data` is a view of the message that
    it came in, so that large data is not copied out of it. `id` is a UUID's text, chosen by
    the client so that a repeat is harmless; without one the endpoint chooses.
    """

    iterations: int
    id: str | None = None
    data: memoryview | None = None
    digest: bytes | None = None
    priority: int = 0
    workload: str = "sha512"


class SubmitReply(Message, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one submit; `value` is there at once when the work is known already."""

    id: str
    status: str = "queued"
    done: int = 0
    value: str | None = None
    eta_seconds: float | None = None
    problem: str | None = None
    """Why this item of a batch was refused; the rest of the batch is not touched by it."""
    slug: str | None = None
    """Which error of `domain.errors` that is."""


class Cancel(Message, frozen=True, kw_only=True):
    """The body of `POST /v1/jobs/cancel`: which jobs to call off."""

    ids: Annotated[list[str], msgspec.Meta(min_length=1, max_length=limits.MAX_BATCH_JOBS)]


class CancelReply(Message, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """What became of one id: cancelled, or refused."""

    id: str
    status: str = "cancelled"
    problem: str | None = None
    """Why this id was refused; the others are not touched by it."""
    slug: str | None = None
    """Which error of `domain.errors` that is."""


class CompatibleResult(Message, frozen=True, kw_only=True, gc=False):
    """One item of `POST /pullCompleted`."""

    id: str
    value: str


class JobView(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A job as its owner sees it; `value` is set once it is done, `reason` when it failed."""

    id: str
    status: str
    workload: str
    iterations: int
    done: int
    priority: int
    attempts: int
    delivery: str | None = None
    value: str | None = None
    reason: str | None = None
    eta_seconds: float | None = None
    submitted_at_ms: int = 0
    ended_at_ms: int | None = None

    @classmethod
    def of(cls, job: Job, eta_seconds: float | None = None) -> JobView:
        """Three statuses of the store are one to the owner: done, with a delivery beside it."""
        finished = job.status in FINISHED
        return cls(
            id=ids.id_text(job.id),
            status="done" if finished else str(job.status),
            delivery=_DELIVERY.get(job.status),
            workload=job.workload,
            iterations=job.total,
            done=job.done,
            priority=job.priority,
            attempts=job.attempts,
            value=job.state.hex() if finished else None,
            reason=job.reason,
            eta_seconds=eta_seconds,
            submitted_at_ms=job.submitted_at_ms,
            ended_at_ms=job.ended_at_ms,
        )


_DELIVERY = {
    Status.DONE: "waiting",
    Status.PULLED: "under receipt",
    Status.DELIVERED: "delivered",
}


class JobList(Message, frozen=True, kw_only=True, omit_defaults=False):
    """A page of `GET /v1/jobs`; pass `next_after` back as `after`."""

    jobs: list[JobView]
    next_after: int | None = None


class PulledResults(Message, frozen=True, kw_only=True, omit_defaults=False):
    """The reply to `POST /v1/results/pull`; acknowledge with `receipt` (hex)."""

    results: list[CompatibleResult]
    receipt: str | None = None


class Acknowledge(Message, frozen=True, kw_only=True):
    """The body of `POST /v1/results/ack`; without `ids`, the whole receipt."""

    receipt: Annotated[str, msgspec.Meta(extra_json_schema={"pattern": "^([0-9a-fA-F]{2})*$"})]
    ids: list[IdText] | None = None


class Acknowledged(Message, frozen=True, kw_only=True):
    """How many results are now delivered for good."""

    delivered: int


class StatsView(Message, frozen=True, kw_only=True, omit_defaults=False):
    """`GET /v1/stats`: the store's counters with the fleet's rate and the predicted wait."""

    stats: Stats
    rate_hz: float
    workers: int
    backlog_seconds: float | None
    age_seconds: float = 0.0
    """How old these figures are; `limits.READING_SECONDS` at most."""


class Stale(Message, frozen=True, kw_only=True, omit_defaults=False):
    """What the event stream says in the place of figures, while there are none that are not old."""

    age_seconds: float | None
    """Of the last ones; None when there were none yet."""


class Readiness(Message, frozen=True, kw_only=True, omit_defaults=True):
    """`GET /readyz` with status 200."""

    status: str
    unavailable: tuple[str, ...] = ()
    """The parts of the store that do not answer."""
    full: bool = False
    """Whether the store has no room for new jobs; all else is taken."""
    warnings: tuple[str, ...] = ()
    """What is doubtful at the store, in sentences; it refuses nothing."""


class NodeList(Message, frozen=True, kw_only=True):
    """`GET /v1/nodes`."""

    nodes: list[Node]


PROBLEM_PREFIX: Final = "urn:workmill:problem:"
"""Before the slug of the error, in a problem's `type`: only endpoints write it."""


class Problem(Message, frozen=True, kw_only=True, omit_defaults=True):
    """A problem document (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str = ""
    retry_after_seconds: float | None = None
