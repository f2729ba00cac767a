"""The model of a store: the lifecycle table over a plain dict, one job at a time.

It is as slow and as simple as can be, and `after` is the only way a status changes. `met` notes
every (status, verb) pair for which a verb was carried out while a job stood in that status: as
the one it moved, the one it refused, or one that it had to leave alone.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from workmill.domain.job import (
    Acknowledgement,
    Completion,
    Failure,
    Lease,
    LeaseRequest,
    NewJob,
    PullRequest,
    Release,
    Renewal,
    Verdict,
)
from workmill.domain.lifecycle import ENDED, FINISHED, Status, Verb, after, allowed
from workmill.domain.limits import (
    DELIVERED_RETENTION_SECONDS,
    KNOWN_RETENTION_SECONDS,
    LEASE_SECONDS,
    RESULT_RETENTION_SECONDS,
)
from workmill.domain.retry import after_lost_lease, is_suspect

Fenced = Renewal | Completion | Failure | Release


@dataclass
class Entry:
    """One job of the model. `seq` is its age; `leader` the job it is attached to."""

    seq: int
    new: NewJob
    submitted_at_ms: int
    done: int
    state: bytes
    priority: int
    status: Status = Status.QUEUED
    attempts: int = 0
    token: int | None = None
    until_ms: int = 0
    ended_at_ms: int = 0
    leader: Entry | None = None
    receipt: bytes | None = None

    @property
    def left(self) -> int:
        return self.new.total - self.done


@dataclass
class Model:
    """All jobs, what is known, and which pairs have been met."""

    jobs: dict[bytes, Entry] = field(default_factory=dict)
    known: dict[tuple[bytes, int], bytes] = field(default_factory=dict)
    known_at_ms: dict[tuple[bytes, int], int] = field(default_factory=dict)
    met: set[tuple[Status, Verb]] = field(default_factory=set)
    now_ms: int = 0
    seq: int = 0

    def carry_out(self, verb: Verb, moved: Iterable[Entry]) -> None:
        """Move these jobs; every job there is has met the verb."""
        self.met |= {(entry.status, verb) for entry in self.jobs.values()}
        for entry in list(moved):
            entry.status = after(entry.status, verb)
            if entry.status in ENDED and not entry.ended_at_ms:
                entry.ended_at_ms = self.now_ms
            if entry.status is not Status.ATTACHED:
                entry.leader = None

    def attached_to(self, leader: Entry) -> list[Entry]:
        return [entry for entry in self.jobs.values() if entry.leader is leader]

    def submit(self, new: NewJob) -> tuple[Status, bool, bool]:
        """Its status then, whether it was created, whether it is in conflict."""
        old = self.jobs.get(new.id)
        if old:
            return old.status, False, (old.new.key, old.new.total) != (new.key, new.total)
        self.seq += 1
        entry = Entry(self.seq, new, self.now_ms, new.done, new.state, new.priority)
        steps = [total for key, total in self.known if key == new.key and total <= new.total]
        if steps and max(steps) > entry.done:
            entry.done, entry.state = max(steps), self.known[new.key, max(steps)]
        running = [
            other
            for other in self.jobs.values()
            if other.status in (Status.QUEUED, Status.LEASED)
            and (other.new.key, other.new.total) == (new.key, new.total)
        ]
        if entry.left == 0:
            entry.status, entry.ended_at_ms = Status.DONE, self.now_ms
        elif running:
            entry.status, entry.leader = Status.ATTACHED, running[0]
            entry.done, entry.state = new.done, new.state
            running[0].priority = max(running[0].priority, new.priority)
        self.jobs[new.id] = entry
        return entry.status, True, False

    def reclaim(self) -> None:
        for entry in [e for e in self.jobs.values() if e.status is Status.LEASED]:
            if entry.until_ms <= self.now_ms:
                self._lose(entry, after_lost_lease(entry.attempts))

    def _lose(self, entry: Entry, verb: Verb) -> None:
        attached = self.attached_to(entry)
        self.carry_out(verb, [entry])
        if verb is Verb.BURY:
            self.carry_out(verb, attached)

    def expected_grant(self, request: LeaseRequest) -> list[Entry]:
        """The jobs that this request must get, in order; leases are reclaimed on the way."""
        self.reclaim()
        queue = [
            entry
            for entry in self.jobs.values()
            if entry.status is Status.QUEUED and entry.new.workload in request.workloads
        ]
        queue.sort(key=lambda entry: (-entry.priority, entry.seq))
        granted: list[Entry] = []
        for entry in queue:
            enough = len(granted) >= request.min_jobs
            if len(granted) == request.max_jobs or (
                enough and sum(e.left for e in granted) >= request.max_cost
            ):
                break
            if is_suspect(entry.attempts):
                granted = granted or [entry]
                break
            granted.append(entry)
        return granted

    def granted(self, entry: Entry, lease: Lease, request: LeaseRequest) -> None:
        self.carry_out(Verb.LEASE, [entry])
        entry.attempts += 1
        entry.token = lease.token
        entry.until_ms = self.now_ms + round(request.lease_seconds * 1000)

    def judge(self, word: Fenced) -> Verdict:
        """What the store must say to this word; if it applies, it is carried out."""
        entry = self.jobs.get(word.id)
        if entry is None:
            return Verdict.UNKNOWN
        verb = self._verb(entry, word)
        if entry.token != word.token or not allowed(entry.status, verb):
            self.carry_out(verb, [])
            return Verdict.STALE
        self._apply(entry, word, verb)
        return Verdict.APPLIED

    def _verb(self, entry: Entry, word: Fenced) -> Verb:
        if isinstance(word, Failure):
            return after_lost_lease(entry.attempts) if word.retryable else Verb.BURY
        return {Renewal: Verb.RENEW, Completion: Verb.COMPLETE, Release: Verb.RELEASE}[type(word)]

    def _apply(self, entry: Entry, word: Fenced, verb: Verb) -> None:
        if isinstance(word, Failure):
            self._lose(entry, verb)
            return
        attached = self.attached_to(entry)
        self.carry_out(verb, [entry])
        if isinstance(word, Completion):
            content = entry.new.key, entry.new.total
            entry.state = self.known[content] = word.state
            self.known_at_ms[content] = self.now_ms
            self.carry_out(Verb.SETTLE, attached)
            for other in attached:
                other.state = word.state
            return
        if word.done > entry.done:
            entry.done, entry.state, entry.attempts = word.done, word.state, 1
        if isinstance(word, Renewal):
            entry.until_ms = self.now_ms + round(word.lease_seconds * 1000)
        else:
            entry.attempts -= 1

    def cancel(self, job_id: bytes) -> Verdict:
        entry = self.jobs.get(job_id)
        if entry is None:
            return Verdict.UNKNOWN
        if not allowed(entry.status, Verb.CANCEL):
            self.carry_out(Verb.CANCEL, [])
            return Verdict.REFUSED
        attached = self.attached_to(entry)
        self.carry_out(Verb.CANCEL, [entry])
        if attached:
            heir, *others = attached
            self.carry_out(Verb.PROMOTE, [heir])
            heir.done, heir.state = entry.done, entry.state
            heir.priority = max(heir.priority, entry.priority)
            for other in others:
                other.leader = heir
        return Verdict.APPLIED

    def lapse(self) -> None:
        pulled = [entry for entry in self.jobs.values() if entry.status is Status.PULLED]
        self.carry_out(Verb.LAPSE, [e for e in pulled if e.until_ms <= self.now_ms])

    def expected_pull(self, request: PullRequest) -> list[Entry]:
        """The results that this request must get, in order; receipts lapse on the way."""
        self.lapse()
        waiting = [
            entry
            for entry in self.jobs.values()
            if entry.status is Status.DONE and entry.new.tenant == request.tenant
        ]
        waiting.sort(key=lambda entry: (-entry.ended_at_ms, -entry.seq))
        return waiting[: request.top]

    def pulled(self, entries: list[Entry], request: PullRequest, receipt: bytes | None) -> None:
        self.carry_out(Verb.DELIVER if receipt is None else Verb.PULL, entries)
        seconds = request.receipt_seconds
        for entry in entries:
            entry.receipt = receipt
            entry.until_ms = self._later(
                DELIVERED_RETENTION_SECONDS if seconds is None else seconds
            )

    def acknowledge(self, one: Acknowledgement) -> int:
        entries = [
            entry
            for entry in self.jobs.values()
            if entry.status is Status.PULLED
            and (entry.receipt, entry.new.tenant) == (one.receipt, one.tenant)
            and (one.ids is None or entry.new.id in one.ids)
        ]
        self.carry_out(Verb.LAPSE if one.returned else Verb.ACKNOWLEDGE, entries)
        for entry in () if one.returned else entries:
            entry.until_ms = self._later(DELIVERED_RETENTION_SECONDS)
        return len(entries)

    def _later(self, seconds: float) -> int:
        return self.now_ms + round(seconds * 1000)

    def purge(self) -> int:
        self.lapse()
        gone = [job_id for job_id, entry in self.jobs.items() if self._outlived(entry)]
        for job_id in gone:
            del self.jobs[job_id]
        return len(gone) + self._forget()

    def _forget(self) -> int:
        oldest_ms = self._later(-KNOWN_RETENTION_SECONDS)
        old = [content for content, at_ms in self.known_at_ms.items() if at_ms <= oldest_ms]
        for content in old:
            del self.known[content], self.known_at_ms[content]
        return len(old)

    def _outlived(self, entry: Entry) -> bool:
        if entry.status is Status.DELIVERED:
            return entry.until_ms <= self.now_ms
        kept_ms = round(RESULT_RETENTION_SECONDS * 1000)
        ended = entry.status in ENDED and entry.status is not Status.PULLED
        return ended and entry.ended_at_ms + kept_ms <= self.now_ms

    def reopened(self) -> None:
        """Nobody could renew meanwhile, so every lease is given time."""
        for entry in self.jobs.values():
            if entry.status is Status.LEASED:
                entry.until_ms = max(entry.until_ms, self._later(LEASE_SECONDS))

    def counts(self) -> Counter[Status]:
        return Counter(entry.status for entry in self.jobs.values())

    def shown(self, entry: Entry) -> tuple[Status, int, bytes, int]:
        """(status, done, state, attempts) as its owner must see it."""
        if entry.status in FINISHED:
            return entry.status, entry.new.total, entry.state, entry.attempts
        at = entry.leader or entry
        return entry.status, at.done, at.state, entry.attempts
