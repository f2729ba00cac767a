"""The writer thread: everything that reaches the store goes through it, in groups.

Theory. A commit costs an fsync, however much it holds. So while one group is committing,
the calls that arrive are collected; they make up the next group. Under load groups grow
and the cost of a commit is shared by many; at rest a group is one call and waits for
nobody.

Between the event loop and the thread pass one wake-up and one answer per group, never one
per call: each hand-over of the interpreter lock costs more than a small commit. The
wake-up is put off to the end of the loop's turn, so that all requests that were read in
one turn share a group. In a crowd (a group of `CROWD_CALLS` or more) the next group is
given a millisecond to gather: a group costs as much processor time as forty jobs in it.

Over `max_pending_jobs` new submits and reads are refused; what workers and receivers bring
back is not, for it makes the backlog smaller. A group that fails leaves its outcome
unknown: all its calls are told so (StoreUnavailable), and repeating them is harmless. Any
other error of a group rolled all of it back, so its calls are run again one by one and
only the guilty one fails. A call that was given up before its group began is left out.

A store may also say nothing: a server that was stopped, a disk that hangs. Whoever has waited for
`OVERDUE_SECONDS` is told so, and does not go on waiting. What a pull or a lease of theirs
still brings goes back.
"""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Final

from workmill.domain import job as values
from workmill.domain.errors import StoreLost, StoreUnavailable, Unavailable, WorkmillError
from workmill.domain.queue_profile import QueueProfile
from workmill.endpoint.commit_group import CALLERS, RESTORE, Call, run_group
from workmill.endpoint.readiness import Proofs
from workmill.store.port import Store
from workmill.telemetry import Incident, emit, emit_rarely
from workmill.telemetry.error_text import shortage

MAX_GROUP_JOBS: Final = 4000
CROWD_CALLS: Final = 8
GATHERED_CALLS: Final = 64
GATHER_SECONDS: Final = 0.001
MAX_RETRY_AFTER_SECONDS: Final = 30.0
OVERDUE_SECONDS: Final = 7.0
"""How long a group may take before those who wait are told: longer than a Redis may be silent,
shorter than callers are patient."""
OVERDUE_RETRY_SECONDS: Final = 1.0
LOOK_SECONDS: Final = 0.5
MAX_UNHEARD_LEASES: Final = 10_000
"""How many leases of failed groups are handed back; others run out."""


class Committer:
    """The store's verbs as awaitables, for the event loop on which this was made."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        *,
        max_pending_jobs: int,
        on_group: Callable[[int, float], None],
        on_lost: Callable[[], None],
    ) -> None:
        """`on_group` hears each group's jobs and seconds; `on_lost` that the store is dead."""
        self._open_store = open_store
        self._max_pending_jobs = max_pending_jobs
        self._on_group = on_group
        self._on_lost = on_lost
        self.proofs = Proofs()
        """What is known about whether the store takes changes."""
        self._loop = asyncio.get_running_loop()
        self._calls: deque[Call] = deque()
        self._pending_jobs = 0
        self._jobs_per_second = 1000.0
        self._copying = asyncio.Lock()
        self._store: Store
        self._wake: queue.SimpleQueue[bool] = queue.SimpleQueue()
        self._woken = False
        self._outage = Incident("store.unavailable", "store.available", level="error")
        self._unheard: list[values.Release] = []
        self._group: tuple[float, list[Call]] | None = None
        """The one that is with the store, and since when."""
        self._opened: asyncio.Future[None] = self._loop.create_future()
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    async def open(self) -> None:
        """Open the store in its thread. Raises what opening raises."""
        self._thread.start()
        await self._opened

    async def close(self) -> None:
        """Commit what is there, close the store, end the thread."""
        self._wake.put(False)
        await asyncio.to_thread(self._thread.join)

    def check_room(self) -> None:
        """Raise Unavailable with an honest Retry-After when too much waits for the store."""
        if self._pending_jobs >= self._max_pending_jobs:
            seconds = self._pending_jobs / self._jobs_per_second
            raise Unavailable(
                "Too many calls are waiting for the store. Nothing was stored. Retry later.",
                retry_after_seconds=min(MAX_RETRY_AFTER_SECONDS, seconds),
            )

    def new_id(self, key: bytes) -> bytes:
        """See `Store.new_id`; in any thread."""
        return self._store.new_id(key)

    def submit(
        self, jobs: Sequence[values.NewJob]
    ) -> Awaitable[list[values.Submitted | StoreUnavailable]]:
        """A job whose part of the store is away has the error in its place; when all have, it is
        raised."""
        self.check_room()
        return self._put("submit", jobs, len(jobs))

    def get(self, ids: Sequence[bytes]) -> Awaitable[list[values.Job | None]]:
        self.check_room()
        return self._put("get", ids, len(ids))

    def find(self, query: values.Query) -> Awaitable[values.Page]:
        self.check_room()
        return self._put("find", query)

    def pull(self, request: values.PullRequest) -> Awaitable[values.Pulled]:
        return self._put("pull", request)

    def acknowledge(self, items: Sequence[values.Acknowledgement]) -> Awaitable[list[int]]:
        return self._put("acknowledge", items)

    def cancel(self, ids: Sequence[bytes]) -> Awaitable[list[values.Verdict]]:
        return self._put("cancel", ids, len(ids))

    def lease(self, request: values.LeaseRequest) -> Awaitable[list[values.Lease]]:
        return self._put("lease", request)

    def work(self, verb: str, items: Sequence[Any]) -> Awaitable[list[values.Verdict]]:
        """Renew, complete, fail or release: what a worker says about jobs in its hands."""
        return self._put(verb, items, len(items))

    def beat(self, nodes: Sequence[values.Node]) -> Awaitable[None]:
        return self._put("beat", nodes)

    def beat_alone(self, node: values.Node) -> Awaitable[None]:
        """In a group of its own: should it fail, no reading and nobody's call fails with it."""
        return self._put("beat", (node,), alone=True)

    def lead(self, candidacies: Sequence[values.Candidacy]) -> Awaitable[list[values.Leadership]]:
        return self._put("lead", candidacies, len(candidacies))

    def stats(self) -> Awaitable[values.Stats]:
        return self._put("stats", None)

    def queue_profile(self) -> Awaitable[QueueProfile]:
        return self._put("queue_profile", None)

    def nodes(self) -> Awaitable[list[values.Node]]:
        return self._put("nodes", None)

    def purge(self, max_jobs: int) -> Awaitable[int]:
        return self._put("purge", max_jobs)

    def probe(self) -> Awaitable[None]:
        """In a group of its own: it tells whether the store takes changes, and harms nobody."""
        return self._put("probe", None, 0, alone=True)

    async def backup(self, file: Path) -> None:
        """Beside the groups, one at a time: leases go on being renewed meanwhile."""
        async with self._copying:
            await asyncio.to_thread(self._store.backup, file)

    def restore(self, file: Path) -> Awaitable[None]:
        return self._put("restore", file)

    async def tell_overdue(self) -> None:
        """Look after those who wait until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if (group := self._group) is not None:
                silent_seconds = time.monotonic() - group[0]
                if silent_seconds >= OVERDUE_SECONDS:
                    self._refuse([*group[1], *list(self._calls)], silent_seconds)

    def _refuse(self, calls: Sequence[Call], silent_seconds: float) -> None:
        for call in calls:
            if call.verb in CALLERS and not call.waiter.done():
                overdue = StoreUnavailable(
                    f"The store has not answered for {silent_seconds:.0f} s. Whether this was "
                    "carried out is not known. Repeat it under the same ids, which is harmless.",
                    retry_after_seconds=OVERDUE_RETRY_SECONDS,
                )
                call.waiter.set_exception(overdue)

    def _put(
        self, verb: str, argument: Any, jobs: int = 1, *, alone: bool = False
    ) -> asyncio.Future[Any]:
        waiter = self._loop.create_future()
        self._pending_jobs += jobs
        self._calls.append(Call(verb, argument, jobs, waiter, alone=alone))
        if not self._woken:
            self._woken = True
            self._loop.call_soon(self._wake.put, True)
        return waiter

    # From here on in the writer thread, but for _settle.

    def _run(self) -> None:
        try:
            self._store = store = self._open_store()
        except BaseException as error:  # noqa: BLE001 - handed to whoever awaits open()
            self._loop.call_soon_threadsafe(self._opened.set_exception, error)
            return
        self._loop.call_soon_threadsafe(self._opened.set_result, None)
        running = True
        while running:
            running = self._wake.get()
            self._woken = False
            while calls := self._take():
                self._group = (time.monotonic(), calls)
                self._commit_or_end(store, calls)
                self._group = None
                if len(calls) >= CROWD_CALLS and len(self._calls) < GATHERED_CALLS:
                    time.sleep(GATHER_SECONDS)
        store.close()

    def _commit_or_end(self, store: Store, calls: list[Call]) -> None:
        """No call waits for ever for a thread that has died: an error of the committer's own is
        the end of this process."""
        try:
            self._commit(store, calls)
        except Exception as failure:  # noqa: BLE001 - the thread's last wall
            emit("store.commit_failed", level="error", error=repr(failure)[:500])
            lost = StoreLost(
                "The endpoint failed while it dealt with its store. Whether this change was stored "
                "is not known; repeat it under the same id, which is harmless."
            )
            self._loop.call_soon_threadsafe(self._settle, calls, lost, 0.0)

    def _take(self) -> list[Call]:
        """The next group: what is waiting, up to a bound; a lone verb makes its own."""
        taken: list[Call] = []
        jobs = 0
        while self._calls and jobs < MAX_GROUP_JOBS:
            if taken and self._calls[0].alone:
                break
            call = self._calls.popleft()
            taken.append(call)
            jobs += call.jobs
            if call.alone:
                break
        return taken

    def _commit(self, store: Store, calls: list[Call]) -> None:
        started = time.perf_counter()
        error: WorkmillError | None = None
        try:
            run_group(store, [call for call in calls if not call.waiter.done()])
        except StoreUnavailable as unavailable:
            error = unavailable
            if calls[0].verb != RESTORE:  # whose refusal is a word to its caller, no outage
                self._outage.failed({call.verb for call in calls}, detail=unavailable.detail)
        except Exception as failure:  # noqa: BLE001 - rolled back; find the guilty call
            if len(calls) > 1:
                for call in calls:
                    self._commit(store, [call])
                return
            error = _translated(failure, calls[0])
        if isinstance(error, StoreUnavailable):
            self._note_unheard(calls)
        elif self._unheard:
            self._hand_back(store)
        if error is None and self._outage.lasting:
            self._outage.succeeded({call.verb for call in calls})
        seconds = time.perf_counter() - started
        self._loop.call_soon_threadsafe(self._settle, calls, error, seconds)

    def _note_unheard(self, calls: list[Call]) -> None:
        granted = [one for call in calls if call.verb == "lease" for one in call.answer or ()]
        self._unheard += [lease.unused() for lease in granted]
        del self._unheard[:-MAX_UNHEARD_LEASES]

    def _hand_back(self, store: Store) -> None:
        """Give back what was granted in groups that failed. No worker has heard of these leases,
        and five of them would bury a job that nobody has tried."""
        words, self._unheard = self._unheard, []
        try:
            with store.group():
                store.release(words)
        except WorkmillError:
            self._unheard = words
        except Exception as failure:  # noqa: BLE001 - they run out by themselves
            emit_rarely(
                "store.verb_failed", level="error", verb="release", error=repr(failure)[:500]
            )

    def _settle(self, calls: list[Call], error: WorkmillError | None, seconds: float) -> None:
        """On the loop: everybody in the group learns at once how it went."""
        jobs = 0
        self.proofs.note(calls, error)
        for call in calls:
            jobs += call.jobs
            if call.waiter.done():
                if error is None:
                    self._take_back(call)
                continue
            refusal = error or call.error
            if refusal is None:
                call.waiter.set_result(call.answer)
            else:
                call.waiter.set_exception(refusal)
        self._pending_jobs -= jobs
        self._jobs_per_second += 0.1 * (jobs / max(seconds, 1e-6) - self._jobs_per_second)
        self._on_group(jobs, seconds)
        if isinstance(error, StoreLost):
            self._on_lost()

    def _take_back(self, call: Call) -> None:
        """Nobody has heard this answer: what it hands out is there for others at once."""
        told: asyncio.Future[Any] | None = None
        if isinstance(call.answer, values.Pulled) and call.answer.receipt is not None:
            returned = values.Acknowledgement(receipt=call.answer.receipt, returned=True)
            told = self._put("acknowledge", (returned,))
        elif call.verb == "lease" and call.answer:
            told = self._put("release", [one.unused() for one in call.answer], len(call.answer))
        if told is not None:  # when it fails, the receipt lapses and the leases run out
            told.add_done_callback(lambda one: one.cancelled() or one.exception())


def _translated(failure: Exception, call: Call) -> WorkmillError:
    if isinstance(failure, WorkmillError):
        return failure
    emit_rarely("store.verb_failed", level="error", verb=call.verb, error=repr(failure)[:500])
    undone = WorkmillError("The store could not carry this out. Nothing was changed by it.")
    return shortage(failure) or undone
