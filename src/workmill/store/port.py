"""The contract between the service and any store.

Theory. A store is a set of jobs and about fifteen verbs. Each verb is one atomic transition
over a batch: it happens whole or not at all, and no other verb sees it half done. A verb
answers item by item in the order of the batch, never raises for an item that the lifecycle
table refuses, and never changes one. `(status, verb)` pairs are decided by
`domain.lifecycle.TABLE` alone.

**Acknowledged** means the same everywhere: when `group()` has closed without an error, every
change made inside it is on stable storage, and on every live replica where there are
replicas. Until then nobody outside may be told about it. When it raises `StoreUnavailable`
the outcome is unknown, and the caller repeats with the same ids, which is harmless.

Time is the store's own clock, read once per group. A lease or receipt that has run out is
reclaimed by the next `lease` or `pull`, in the same transaction: nothing else has to run. Time in
which nobody could renew a lease (the store was away, its owner stood still) does not end it.

A store is driven by one thread. What it does in others (a backup, an index that is being filled) no
verb sees half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from workmill.domain.job import (
    Acknowledgement,
    Candidacy,
    Completion,
    Failure,
    Job,
    Leadership,
    Lease,
    LeaseRequest,
    NewJob,
    Node,
    Page,
    Pulled,
    PullRequest,
    Query,
    Release,
    Renewal,
    Stats,
    Submitted,
    Verdict,
)
from workmill.domain.queue_profile import QueueProfile


class Store(Protocol):
    """Every verb runs inside a `group()`; results may leave the process once that has closed.
    Only `backup` and `restore` stand alone, outside of groups; `backup` may run in another
    thread beside them."""

    def group(self) -> AbstractContextManager[None]:
        """All verbs inside are durable when it has closed without an error.

        A group that fails may have happened in part or not at all: a store that can takes all of
        it back, and one that cannot, having written something, raises StoreUnavailable. That is
        also raised when durability cannot be promised, StoreLost when it never will be again by
        this object. A store that is made of parts goes on without one that fails, and says at the
        end, by StorePartlyUnavailable, which answers of which verbs are lost by that.
        """
        ...

    def new_id(self, key: bytes) -> bytes:
        """An id for a new job with this content key, by which the store finds it without looking
        about. Needs no group and may be called in any thread."""
        ...

    def submit(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        """Take in each job once per id: born done when its work is known, attached when the
        same work is running, else queued from the furthest known state at or below its total.

        Raises StoreFull, having taken in none, when there is no room for anything new; the group
        goes on."""
        ...

    def get(self, ids: Sequence[bytes]) -> list[Job | None]:
        """Each job as it stands, None for an id that is not there."""
        ...

    def find(self, query: Query) -> Page:
        """One page of a tenant's jobs, newest first. A page may be short, or even empty, and yet
        not the last: that is told by `next_after` alone."""
        ...

    def lease(self, request: LeaseRequest) -> list[Lease]:
        """Reclaim what has run out, then grant the most urgent jobs (priority, then age), each
        with its token raised by one and its attempts by one."""
        ...

    def renew(self, renewals: Sequence[Renewal]) -> list[Verdict]:
        """Keep each lease and move its checkpoint on; `done` never shrinks (one that would is
        kept as it was), and progress sets the attempts back to one. A checkpoint that cannot be
        true (of another size, beyond the total) is refused, here and by every fenced verb."""
        ...

    def complete(self, completions: Sequence[Completion]) -> list[Verdict]:
        """Finish each job with its value, settle all that are attached to it, remember the work."""
        ...

    def fail(self, failures: Sequence[Failure]) -> list[Verdict]:
        """Count the attempt: the job is queued again, or buried with all that are attached."""
        ...

    def release(self, releases: Sequence[Release]) -> list[Verdict]:
        """Queue each job again at its checkpoint and give the attempt back."""
        ...

    def cancel(self, ids: Sequence[bytes]) -> list[Verdict]:
        """End each running job; the eldest attached to it is promoted at its checkpoint."""
        ...

    def pull(self, request: PullRequest) -> Pulled:
        """Bring back lapsed receipts, then hand out finished results, latest first, each to one
        caller at a time."""
        ...

    def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> list[int]:
        """Deliver for good the results of each receipt that are still under it, or bring back those
        that are returned; says how many."""
        ...

    def stats(self) -> Stats:
        """The counters, in constant time."""
        ...

    def queue_profile(self) -> QueueProfile:
        """The queue in outline, at a cost that does not grow with its length: the first jobs in the
        order of their leases, what was seen of the rest, and the work that is leased."""
        ...

    def beat(self, nodes: Sequence[Node]) -> None:
        """Note that these nodes are alive; a node beats under its incarnation."""
        ...

    def nodes(self) -> list[Node]:
        """The nodes that have beaten within `limits.NODE_SECONDS`."""
        ...

    def lead(self, candidacies: Sequence[Candidacy]) -> list[Leadership]:
        """Let each candidate lead when nobody does, and go on leading when it does already; says
        who leads then. The token rises with every new term, also of the same holder, and no token
        is ever given twice, not even after a restore."""
        ...

    def purge(self, max_jobs: int) -> int:
        """Remove ended jobs past their retention and known work past its bounds, at most
        `max_jobs` of each; says how many went."""
        ...

    def probe(self) -> None:
        """Write something small, so that the closing of its group proves that the store takes
        changes, and look whether it is still the store that was opened.

        Raises StoreLost, or another StoreUnavailable where a new process would do no better, when
        that one is gone or another is in its place, and StoreUnavailable when changes are refused,
        with the reason. A store that is full for new jobs alone passes."""
        ...

    def backup(self, file: Path) -> None:
        """Write a complete, checked copy to `file` while the service runs."""
        ...

    def restore(self, file: Path) -> None:
        """Replace everything by a backup, after checking it. Leases in it are queued again, and
        tokens step over every one that the replaced store could have issued. Raises InvalidInput,
        having changed nothing, when the file is no backup of this kind."""
        ...

    def close(self) -> None:
        """Leave the files ready for the next owner."""
        ...
