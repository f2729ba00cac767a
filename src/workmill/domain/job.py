"""A job and everything that verbs take and give back. Plain values, ready for the wire.

Sizes: `id` 16 bytes, `key` 32 bytes, `state` as many bytes as its workload's state
(64 for sha512). Times are milliseconds since the Unix epoch, on the store's clock.
"""

from __future__ import annotations

import hashlib
from enum import StrEnum
from functools import partial
from typing import Annotated, Final

import msgspec

from workmill.domain import limits
from workmill.domain.lifecycle import Status
from workmill.domain.limits import LEAD_SECONDS
from workmill.domain.queue_profile import QueuePlace

KEY_BYTES = 32
DEFAULT_TENANT = "default"
content_hash: Final = partial(hashlib.blake2b, digest_size=KEY_BYTES)
"""What a content address is made with; for whoever compares those of a million jobs."""

Natural = Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)]
"""What any store can hold. Bounds are checked where a value is decoded, and described by them."""
State = Annotated[bytes, msgspec.Meta(max_length=limits.MAX_STATE_BYTES)]
LeaseSeconds = Annotated[float, msgspec.Meta(gt=0, le=limits.MAX_LEASE_SECONDS)]
LeaseJobs = Annotated[int, msgspec.Meta(ge=1, le=limits.MAX_LEASE_JOBS)]
Name = Annotated[str, msgspec.Meta(max_length=limits.MAX_NAME_CHARACTERS)]


def content_key(tenant: str, workload: str, first_state: bytes) -> bytes:
    """The content address of some data: 32 bytes of BLAKE2b (RFC 7693).

    It is taken over the folded first state, which already stands for the data. The
    tenant is part of it, so no tenant can learn what another one has computed.
    """
    return key_with_ending(first_state, key_ending(tenant, workload))


def key_ending(tenant: str, workload: str) -> bytes:
    """What stands behind the first state where a content address is taken."""
    return f"\0{workload}\0{tenant}".encode()


def key_with_ending(first_state: bytes, ending: bytes) -> bytes:
    """The content address, for whoever takes those of many jobs with one `key_ending`."""
    return content_hash(first_state + ending).digest()


class Value(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """Base of all values: immutable, compared by content."""


class Job(Value, frozen=True, kw_only=True, gc=False):
    """One job as the store shows it. An attached job shows the progress of the one it waits for."""

    id: bytes
    tenant: str
    workload: str
    key: bytes
    total: int
    done: int
    state: bytes
    priority: int
    status: Status
    attempts: int
    token: int
    submitted_at_ms: int
    ended_at_ms: int | None = None
    worker: str | None = None
    reason: str | None = None
    waits_at: QueuePlace | None = None
    """Where its work is in the queue: its own place, or that of the job it is attached to."""


class NewJob(Value, frozen=True, kw_only=True, gc=False):
    """A job to submit: its data already folded to `state` with `done` iterations behind it."""

    id: bytes
    workload: str
    key: bytes
    total: int
    state: bytes
    done: int = 1
    tenant: str = DEFAULT_TENANT
    priority: int = 0
    fresh: bool = False
    """Whether the id was made for this job just now, by `Store.new_id`: nobody else has it."""


class Submitted(Value, frozen=True, kw_only=True, gc=False):
    """What became of a submit.

    `created` is false when the id was known already; with other work under it, `conflict`
    is set and nothing was changed. `state` is the result when the status is a finished one.
    `done` is where the work stands: above one when known work gave it a head start.
    """

    id: bytes
    status: Status
    done: int
    created: bool = True
    conflict: bool = False
    state: bytes | None = None


class LeaseRequest(Value, frozen=True, kw_only=True, gc=False):
    """A worker asks for work: for at least `min_jobs`, then on until `max_cost` or `max_jobs`.

    It never gets more than `max_jobs`. `max_cost` is in remaining iterations. A suspect job is
    granted alone. `number` counts the requests of one worker from 1; `unheard` are those of late
    whose answer never came: what was granted to them is in nobody's hands.
    """

    worker: Name
    workloads: Annotated[tuple[str, ...], msgspec.Meta(max_length=limits.MAX_WORKLOADS)]
    min_jobs: LeaseJobs
    max_jobs: LeaseJobs
    max_cost: Natural
    lease_seconds: LeaseSeconds
    number: Natural = 0
    unheard: Annotated[tuple[Natural, ...], msgspec.Meta(max_length=limits.MAX_UNHEARD)] = ()


class Lease(Value, frozen=True, kw_only=True, gc=False):
    """One job in a worker's hands until its lease ends; `token` must come with every word on it."""

    id: bytes
    token: int
    workload: str
    total: int
    done: int
    state: bytes
    attempts: int = 1

    def unused(self) -> Release:
        """The word that hands the job back as it was granted."""
        return Release(id=self.id, token=self.token, done=self.done, state=self.state)


class Renewal(Value, frozen=True, kw_only=True, gc=False):
    """Keep this lease for `lease_seconds` more; the job now stands at (`done`, `state`)."""

    id: bytes
    token: Natural
    done: Natural
    state: State
    lease_seconds: LeaseSeconds


class Completion(Value, frozen=True, kw_only=True, gc=False):
    """The job is finished; `state` is its value."""

    id: bytes
    token: Natural
    state: State


class Failure(Value, frozen=True, kw_only=True, gc=False):
    """This attempt failed. A failure that is not `retryable` buries the job at once."""

    id: bytes
    token: Natural
    reason: Annotated[str, msgspec.Meta(max_length=limits.MAX_REASON_CHARACTERS)]
    retryable: bool = True


class Release(Value, frozen=True, kw_only=True, gc=False):
    """Hand the job back unfinished, with its checkpoint; no attempt is burnt."""

    id: bytes
    token: Natural
    done: Natural
    state: State


class Verdict(StrEnum):
    """What a store says to one change of one job."""

    APPLIED = "applied"
    STALE = "stale"
    """The token is not the one of a live lease: drop the job, change nothing."""
    UNKNOWN = "unknown"
    """There is no such job."""
    REFUSED = "refused"
    """The lifecycle table has no such step, or the word cannot be true: a state of another size
    than the job's, or `done` beyond its total."""
    UNAVAILABLE = "unavailable"
    """The part of the store that has the job does not answer now: say it again later."""


class PullRequest(Value, frozen=True, kw_only=True, gc=False):
    """Ask for up to `top` results, latest first; delivered at once without `receipt_seconds`."""

    top: int
    tenant: str = DEFAULT_TENANT
    receipt_seconds: float | None = None


class Result(Value, frozen=True, kw_only=True, gc=False):
    """One finished job's value."""

    id: bytes
    state: bytes


class Pulled(Value, frozen=True, kw_only=True, gc=False):
    """Results under one receipt (some bytes that say nothing to their holder), or delivered for
    good when it is None."""

    results: list[Result]
    receipt: bytes | None = None


class Acknowledgement(Value, frozen=True, kw_only=True, gc=False):
    """These results of this receipt have arrived. Without `ids`, all of them.

    `returned` says the opposite: their receiver is gone, so they come back at once.
    """

    receipt: bytes
    tenant: str = DEFAULT_TENANT
    ids: tuple[bytes, ...] | None = None
    returned: bool = False


class Query(Value, frozen=True, kw_only=True, gc=False):
    """Which jobs to list: newest first, `after` the cursor of the page before."""

    tenant: str = DEFAULT_TENANT
    status: Status | None = None
    after: int | None = None
    limit: int = 100


class Page(Value, frozen=True, kw_only=True, gc=False):
    """One page of a listing; `next_after` is None on the last one."""

    jobs: list[Job]
    next_after: int | None = None


class Load(Value, frozen=True, kw_only=True, gc=False):
    """What a node uses, measured since its last beat. `cpu_cores` is how many cores it kept busy,
    its children's among them; memory and disk are what is in use of the whole machine's, or of its
    container's where that is less, from 0 to 1, by whomever. `loop_lag_seconds` is the longest that
    its event loop kept a turn waiting."""

    cpu_cores: float = 0.0
    resident_bytes: int = 0
    memory_fraction: float = 0.0
    disk_fraction: float = 0.0
    loop_lag_seconds: float = 0.0
    requests_hz: float = 0.0


class Node(Value, frozen=True, kw_only=True, gc=False):
    """One live process. `incarnation` is new at every start; `rate_hz` is iterations per second.

    `serves` is where an endpoint takes requests, as `address:port`; `leads` is the token of a
    controller's term, and 0 for all others.
    """

    incarnation: str
    role: str
    host: str
    pid: int
    version: str
    rate_hz: float = 0.0
    slots: int = 0
    leased: int = 0
    draining: bool = False
    load: Load = Load()
    serves: str = ""
    leads: int = 0
    seen_at_ms: int = 0


class Candidacy(Value, frozen=True, kw_only=True, gc=False):
    """A controller, by its incarnation, wants to lead for so long, or to go on leading. With no
    time at all it gives up what it holds."""

    candidate: Annotated[str, msgspec.Meta(min_length=1, max_length=limits.MAX_NAME_CHARACTERS)]
    lease_seconds: Annotated[float, msgspec.Meta(ge=0, le=limits.MAX_LEAD_SECONDS)] = LEAD_SECONDS


class Leadership(Value, frozen=True, kw_only=True, gc=False):
    """Who leads now, and for how long yet unless it asks again. The token rises with every new
    term: an order that bears an older one than was seen already comes from a leader that was
    replaced."""

    token: int
    holder: str
    left_seconds: float


class Stats(Value, frozen=True, kw_only=True, gc=False):
    """Counters that the verbs keep; reading them costs the same however long the queue is.

    `jobs` has one number per status. `backlog_iterations` is the work still to do in queued
    and leased jobs. The `*_total` figures only grow. `unavailable` names the parts of the store
    that do not answer now: what they hold is in no figure, and their totals are as they were last
    told.
    """

    jobs: dict[str, int]
    backlog_iterations: int
    oldest_queued_at_ms: int | None
    submitted_total: int
    completed_total: int
    failed_total: int
    cancelled_total: int
    delivered_total: int
    expired_leases_total: int
    attached_total: int
    known_hits_total: int
    iterations_saved_total: int
    iterations_done_total: int
    known_jobs: int
    known_bytes: int
    unavailable: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    """What is not as it should be at the store, in sentences; it refuses nothing."""


COUNTERS: Final = tuple(
    name
    for name in Stats.__struct_fields__
    if name not in {"jobs", "oldest_queued_at_ms", "unavailable", "warnings"}
)
"""The fields of `Stats` that are one number each."""
