"""The jobs in hand. Safe for threads.

A job is in hand from its lease until it is finished, failed, handed back or lost; the first
three leave a word for the endpoint in the outbox. Jobs and words together are bounded by what
is leased (`stock.MAX_HELD_JOBS`), so an endpoint that stays away for a week costs no memory.

Only the main thread plans and moves jobs; the others add, drop and copy, all under one lock. A
job that is dropped while it is with the child is no longer in `_jobs`, and what the child makes
of it is ignored.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence

from workmill.domain.job import Completion, Failure, Lease, Release, Renewal
from workmill.domain.limits import MAX_REASON_CHARACTERS
from workmill.domain.retry import is_suspect
from workmill.worker.outbox import Outbox


class Held:
    """One job in hand: its lease, how far it is, and how much of it is with the child."""

    __slots__ = (
        *("aged", "attempts", "done", "id", "leased_at", "planned"),
        *("state", "suspect", "token", "total", "workload"),
    )

    def __init__(self, lease: Lease) -> None:
        self.id = lease.id
        self.token = lease.token
        self.workload = lease.workload
        self.total = lease.total
        self.done = self.leased_at = lease.done
        """So far, and so far when it came into our hands."""
        self.state = lease.state
        self.planned = 0
        """Iterations of the slice that it is in; 0 when it is in none."""
        self.attempts = lease.attempts
        self.suspect = is_suspect(lease.attempts - 1)
        """It may have killed a worker, and runs alone until it has got on."""
        self.aged = False
        """It was in hand at an earlier turn of the heartbeat."""

    @property
    def remaining(self) -> int:
        """Iterations to do that no slice holds yet."""
        return self.total - self.done - self.planned

    def release(self) -> Release:
        """It goes back as it stands."""
        return Release(id=self.id, token=self.token, done=self.done, state=self.state)


class Ledger:
    """What this worker answers for. `changed` is set by all that may call for more work."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.changed = threading.Event()
        self._lock = threading.Lock()
        self._jobs: dict[bytes, Held] = {}

    def take(self, leases: Iterable[Lease]) -> None:
        """Add what was leased; a lease with nothing left to do is finished on the spot. One that
        is in hand already, or older than that, says nothing new and is ignored."""
        with self._lock:
            taken = [job for job in map(Held, leases) if self._is_news(job)]
            self._finish(taken)

    def refuse(self, lease: Lease, reason: str) -> None:
        """Give up a job that was granted and cannot be taken in hand."""
        words = reason[:MAX_REASON_CHARACTERS]
        self.outbox.put([Failure(id=lease.id, token=lease.token, reason=words)])

    def ready(self) -> list[Held]:
        """The jobs that no slice holds, in the order they were leased."""
        with self._lock:
            return [job for job in self._jobs.values() if not job.planned]

    def plan(self, jobs: Sequence[Held], counts: Sequence[int]) -> None:
        """These are with the child now."""
        with self._lock:
            for job, count in zip(jobs, counts, strict=True):
                job.planned = count
        self.changed.set()

    def advance(self, jobs: Sequence[Held], states: Sequence[bytes]) -> None:
        """The child moved each on by what was planned."""
        with self._lock:
            for job, state in zip(jobs, states, strict=True):
                job.done += job.planned
                job.state = state
                job.planned = 0
                job.suspect = False
            self._finish(jobs)
        self.changed.set()

    def unplan(self, jobs: Iterable[Held], *, suspect: bool) -> None:
        """The child did not finish these: they stand where they stood."""
        with self._lock:
            for job in jobs:
                job.planned = 0
                job.suspect |= suspect
        self.changed.set()

    def fail(self, job: Held, reason: str) -> None:
        """Give up this attempt at a job. One that has got on in our hands goes back with what is
        done: progress begins the count of attempts anew, and a word of failure would lose it."""
        with self._lock:
            if self._put_down(job):
                words = reason[:MAX_REASON_CHARACTERS]
                failure = Failure(id=job.id, token=job.token, reason=words)
                self.outbox.put([job.release() if job.done > job.leased_at else failure])
        self.changed.set()

    def hand_back(self) -> int:
        """Put down everything in hand, each job with its checkpoint; says how many."""
        with self._lock:
            held, self._jobs = self._jobs, {}
            self.outbox.put(job.release() for job in held.values())
            return len(held)

    def drop(self, lost: Iterable[tuple[bytes, int]]) -> int:
        """Forget jobs (id, token) whose lease is lost; says how many were still in hand."""
        dropped = 0
        with self._lock:
            for job_id, token in lost:
                job = self._jobs.get(job_id)
                dropped += job is not None and job.token == token and self._put_down(job)
        self.changed.set()
        return dropped

    def renewals(self, lease_seconds: float) -> list[Renewal]:
        """The leases that were in hand at the call before, each with its latest checkpoint.

        A lease is good for many turns of the heartbeat, and most jobs are gone by the next one.
        """
        with self._lock:
            aged = [job for job in self._jobs.values() if job.aged]
            for job in self._jobs.values():
                job.aged = True
            return [
                Renewal(
                    id=job.id,
                    token=job.token,
                    done=job.done,
                    state=job.state,
                    lease_seconds=lease_seconds,
                )
                for job in aged
            ]

    def load(self) -> list[tuple[str, int]]:
        """Workload and unplanned iterations of each job in hand."""
        with self._lock:
            return [(job.workload, job.remaining) for job in self._jobs.values()]

    def __len__(self) -> int:
        return len(self._jobs)

    def _finish(self, jobs: Iterable[Held]) -> None:
        """Put down those that are done, all with one visit to the outbox."""
        if done := [job for job in jobs if job.done >= job.total and self._put_down(job)]:
            self.outbox.put(Completion(id=job.id, token=job.token, state=job.state) for job in done)

    def _is_news(self, job: Held) -> bool:
        """Add it, unless this lease or a newer one of the job is in hand."""
        known = self._jobs.get(job.id)
        if known is not None and known.token >= job.token:
            return False
        self._jobs[job.id] = job
        return True

    def _put_down(self, job: Held) -> bool:
        if self._jobs.get(job.id) is not job:
            return False
        del self._jobs[job.id]
        return True
