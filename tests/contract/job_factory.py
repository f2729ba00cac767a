"""Jobs for the tests: what they compute is made up, but right or wrong can be told."""

from __future__ import annotations

import hashlib
import itertools

from workmill.domain.job import NewJob, content_key

WORKLOAD = "sha512"
_ids = itertools.count(1)


def fresh_id() -> bytes:
    """An id that no other job of this run has."""
    return next(_ids).to_bytes(16, "big")


def state_of(data: str, done: int) -> bytes:
    """The state of the work on `data` after `done` iterations."""
    return hashlib.sha512(f"{data}/{done}".encode()).digest()


def key_of(data: str, *, tenant: str = "default", workload: str = WORKLOAD) -> bytes:
    return content_key(tenant, workload, state_of(data, 1))


def new_job(
    data: str | None = None,
    *,
    total: int = 100,
    priority: int = 0,
    tenant: str = "default",
    workload: str = WORKLOAD,
    job_id: bytes | None = None,
) -> NewJob:
    """A job on `data`, or on data of its own."""
    job_id = job_id or fresh_id()
    data = job_id.hex() if data is None else data
    return NewJob(
        id=job_id,
        workload=workload,
        key=key_of(data, tenant=tenant, workload=workload),
        total=total,
        state=state_of(data, 1),
        tenant=tenant,
        priority=priority,
    )
