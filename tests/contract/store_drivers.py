"""The stand on which a store is tried: a clock moved by hand, one group for each verb."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

from tests.contract.job_factory import WORKLOAD

from workmill.domain.clock import Clock
from workmill.domain.job import (
    Acknowledgement,
    Completion,
    Failure,
    Job,
    Lease,
    LeaseRequest,
    NewJob,
    Pulled,
    PullRequest,
    Release,
    Renewal,
    Stats,
    Submitted,
    Verdict,
)
from workmill.domain.lifecycle import Status
from workmill.store.port import Store
from workmill.store.retention import Bounds


class OpenStore(Protocol):
    """Opens the store that a directory stands for, again and again."""

    def __call__(self, directory: Path, clock: Clock, bounds: Bounds | None = None, /) -> Store: ...


NOON_MS = 1_800_000_000_000


@dataclass
class HandClock:
    """A clock that only the test moves."""

    now_ms: int = NOON_MS

    def __call__(self) -> int:
        return self.now_ms

    def advance(self, seconds: float) -> None:
        self.now_ms += round(seconds * 1000)


class Stand:
    """One store with its directory and clock; every verb is a group of its own."""

    def __init__(
        self, open_store: OpenStore, directory: Path, bounds: Bounds | None = None
    ) -> None:
        self.clock = HandClock()
        self._reopen = partial(open_store, directory, self.clock, bounds)
        self.store = self._reopen()

    def reopen(self) -> None:
        """Close the store and open it again, as a new owner would."""
        self.store.close()
        self.store = self._reopen()

    def submit(self, *jobs: NewJob) -> list[Submitted]:
        with self.store.group():
            return self.store.submit(jobs)

    def job(self, which: NewJob | Lease) -> Job:
        """The job as the store shows it; it must be there."""
        with self.store.group():
            (found,) = self.store.get([which.id])
        assert found is not None
        return found

    def status(self, which: NewJob | Lease) -> Status:
        return self.job(which).status

    def lease(
        self,
        max_jobs: int = 10,
        *,
        min_jobs: int | None = None,
        max_cost: int = 0,
        worker: str = "w1",
        workloads: Sequence[str] = (WORKLOAD,),
        lease_seconds: float = 15.0,
    ) -> list[Lease]:
        """Up to `max_jobs`, whatever they cost, unless `min_jobs` says how many at least."""
        request = LeaseRequest(
            worker=worker,
            workloads=tuple(workloads),
            min_jobs=max_jobs if min_jobs is None else min_jobs,
            max_jobs=max_jobs,
            max_cost=max_cost,
            lease_seconds=lease_seconds,
        )
        with self.store.group():
            return self.store.lease(request)

    def lease_one(self) -> Lease:
        (lease,) = self.lease(1)
        return lease

    def renew(
        self, lease: Lease, done: int, state: bytes, *, lease_seconds: float = 15.0
    ) -> Verdict:
        renewal = Renewal(
            id=lease.id, token=lease.token, done=done, state=state, lease_seconds=lease_seconds
        )
        with self.store.group():
            (verdict,) = self.store.renew([renewal])
        return verdict

    def complete(self, lease: Lease, state: bytes) -> Verdict:
        with self.store.group():
            (verdict,) = self.store.complete(
                [Completion(id=lease.id, token=lease.token, state=state)]
            )
        return verdict

    def fail(self, lease: Lease, reason: str = "it broke", *, retryable: bool = True) -> Verdict:
        failure = Failure(id=lease.id, token=lease.token, reason=reason, retryable=retryable)
        with self.store.group():
            (verdict,) = self.store.fail([failure])
        return verdict

    def release(self, lease: Lease, done: int | None = None, state: bytes | None = None) -> Verdict:
        handed = Release(
            id=lease.id,
            token=lease.token,
            done=lease.done if done is None else done,
            state=state or lease.state,
        )
        with self.store.group():
            (verdict,) = self.store.release([handed])
        return verdict

    def cancel(self, *which: NewJob | Lease) -> list[Verdict]:
        with self.store.group():
            return self.store.cancel([one.id for one in which])

    def pull(
        self, top: int = 100, *, tenant: str = "default", receipt_seconds: float | None = None
    ) -> Pulled:
        with self.store.group():
            return self.store.pull(
                PullRequest(top=top, tenant=tenant, receipt_seconds=receipt_seconds)
            )

    def acknowledge(
        self, pulled: Pulled, *ids: bytes, tenant: str = "default", receipt: bytes | None = None
    ) -> int:
        """Of all that was pulled, or of `ids` alone."""
        one = Acknowledgement(
            receipt=receipt or pulled.receipt or b"", tenant=tenant, ids=ids or None
        )
        with self.store.group():
            (count,) = self.store.acknowledge([one])
        return count

    def give_back(self, pulled: Pulled, *ids: bytes) -> int:
        """Its receiver is gone."""
        one = Acknowledgement(receipt=pulled.receipt or b"", ids=ids or None, returned=True)
        with self.store.group():
            (count,) = self.store.acknowledge([one])
        return count

    def stats(self) -> Stats:
        with self.store.group():
            return self.store.stats()

    def purge(self, max_jobs: int = 1000) -> int:
        with self.store.group():
            return self.store.purge(max_jobs)

    def finish(self, job: NewJob, state: bytes) -> None:
        """Take a queued job, the only one there, to its end."""
        lease = self.lease_one()
        assert lease.id == job.id
        assert self.complete(lease, state) is Verdict.APPLIED
