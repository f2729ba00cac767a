"""A second layer under the acknowledgement: after a failover, what was accepted is said again.

Theory. The rule in `acknowledgement` lets no single fault lose an acknowledged job. Two at once
may: the primary dies while the only replica that had a change dies with it. But for a while
somebody else still knows the job: the endpoint that accepted it. So each endpoint remembers what it
has acknowledged as submitted in the last two minutes, and when the history of the primary has
changed, submits all of it again, a slice ahead of each group. A submit under a known id changes
nothing, so this is harmless where nothing was lost, as long as ended jobs are kept for longer than
they are remembered here.

A restore puts another history there on purpose, so what was submitted before it is forgotten: by
whoever restored, and by every other endpoint with the first call in which it hears of it.

What came after the submit (a checkpoint, a result) is not remembered: the work is done again,
and its result is the same.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from workmill.domain import job as values
from workmill.domain.errors import StoreFull
from workmill.domain.queue_profile import QueueProfile
from workmill.store.port import Store
from workmill.telemetry import emit

REMEMBERED_SECONDS: Final = 120.0
MAX_REMEMBERED_JOBS: Final = 200_000
"""About 100 MiB; the eldest are forgotten first."""
SLICE_JOBS: Final = 1000


class Memory:
    """What was acknowledged lately, and what of it is due to be submitted again."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._lately: deque[tuple[float, values.NewJob]] = deque()
        self._due: deque[values.NewJob] = deque()
        self._history: str | None = None
        self._said = self._lost = 0

    def slice(self) -> list[values.NewJob]:
        """What to submit again with the next group."""
        return [self._due[number] for number in range(min(SLICE_JOBS, len(self._due)))]

    def acknowledged(self, jobs: Sequence[values.NewJob], history: str | None) -> None:
        """A group has closed on a primary of this history, with these jobs new in it."""
        if self._history is not None and history != self._history:
            self._due = deque(job for _, job in self._lately)
        self._history = history
        now = self._monotonic()
        self._lately.extend((now, job) for job in jobs)
        while self._lately and (
            len(self._lately) > MAX_REMEMBERED_JOBS or self._lately[0][0] < now - REMEMBERED_SECONDS
        ):
            self._lately.popleft()

    def said_again(self, submitted: Sequence[values.Submitted]) -> None:
        """The first so many of what is due have been acknowledged once more."""
        for _ in range(min(len(submitted), len(self._due))):  # fewer when it was told to forget
            self._due.popleft()
        self._said += len(submitted)
        self._lost += sum(one.created for one in submitted)
        if submitted and not self._due:
            emit(
                "store.resubmitted",
                level="warning" if self._lost else "info",
                jobs=self._said,
                missing=self._lost,
            )
            self._said = self._lost = 0

    def forget(self) -> None:
        """All of it."""
        self._lately.clear()
        self._due.clear()
        self._said = self._lost = 0


class _Forgotten(Exception):
    """What is being said again is of before a restore."""


class ResubmittingStore:
    """`workmill.store.port.Store` over another one whose primary may change under it."""

    def __init__(
        self, store: Store, history: Callable[[], str | None], memory: Memory | None = None
    ) -> None:
        """`history` says which history the last closed group was written in."""
        self._store = store
        self._history = history
        self._memory = memory or Memory()
        self._new: list[values.NewJob] = []
        self._saying = False

    @contextmanager
    def group(self) -> Iterator[None]:
        """See `Store.group`."""
        self._new = []
        with self._store.group():
            again = self._say_again()
            yield
        self._memory.said_again(again)
        self._memory.acknowledged(self._new, self._history())

    def _say_again(self) -> list[values.Submitted]:
        """A full store takes nothing new: this waits until it does."""
        jobs = self._memory.slice()
        self._saying = True
        try:
            return self._store.submit(jobs) if jobs else []
        except (StoreFull, _Forgotten):
            return []
        finally:
            self._saying = False

    def new_id(self, key: bytes) -> bytes:
        """See `Store.new_id`."""
        return self._store.new_id(key)

    def submit(
        self, jobs: Sequence[values.NewJob], ages: Sequence[int] = ()
    ) -> list[values.Submitted]:
        """See `Store.submit`, and `RedisStore.submit` about `ages`."""
        submit: Callable[..., list[values.Submitted]] = self._store.submit
        submitted = submit(jobs, ages) if ages else submit(jobs)
        self._new += [job for job, one in zip(jobs, submitted, strict=True) if not one.conflict]
        return submitted

    def get(self, ids: Sequence[bytes]) -> list[values.Job | None]:
        """See `Store.get`."""
        return self._store.get(ids)

    def find(self, query: values.Query) -> values.Page:
        """See `Store.find`."""
        return self._store.find(query)

    def lease(self, request: values.LeaseRequest) -> list[values.Lease]:
        """See `Store.lease`."""
        return self._store.lease(request)

    def renew(self, renewals: Sequence[values.Renewal]) -> list[values.Verdict]:
        """See `Store.renew`."""
        return self._store.renew(renewals)

    def complete(self, completions: Sequence[values.Completion]) -> list[values.Verdict]:
        """See `Store.complete`."""
        return self._store.complete(completions)

    def fail(self, failures: Sequence[values.Failure]) -> list[values.Verdict]:
        """See `Store.fail`."""
        return self._store.fail(failures)

    def release(self, releases: Sequence[values.Release]) -> list[values.Verdict]:
        """See `Store.release`."""
        return self._store.release(releases)

    def cancel(self, ids: Sequence[bytes]) -> list[values.Verdict]:
        """See `Store.cancel`."""
        return self._store.cancel(ids)

    def pull(self, request: values.PullRequest) -> values.Pulled:
        """See `Store.pull`."""
        return self._store.pull(request)

    def acknowledge(self, acknowledgements: Sequence[values.Acknowledgement]) -> list[int]:
        """See `Store.acknowledge`."""
        return self._store.acknowledge(acknowledgements)

    def stats(self) -> values.Stats:
        """See `Store.stats`."""
        return self._store.stats()

    def queue_profile(self) -> QueueProfile:
        """See `Store.queue_profile`."""
        return self._store.queue_profile()

    def beat(self, nodes: Sequence[values.Node]) -> None:
        """See `Store.beat`."""
        self._store.beat(nodes)

    def nodes(self) -> list[values.Node]:
        """See `Store.nodes`."""
        return self._store.nodes()

    def lead(self, candidacies: Sequence[values.Candidacy]) -> list[values.Leadership]:
        """See `Store.lead`."""
        return self._store.lead(candidacies)

    def purge(self, max_jobs: int) -> int:
        """See `Store.purge`."""
        return self._store.purge(max_jobs)

    def probe(self) -> None:
        """See `Store.probe`."""
        self._store.probe()

    def backup(self, file: Path) -> None:
        """See `Store.backup`."""
        self._store.backup(file)

    def restore(self, file: Path) -> None:
        """See `Store.restore`."""
        self._store.restore(file)
        self.forget()

    def forget(self) -> None:
        """What is there now was put there on purpose: nothing from before is submitted again."""
        self._memory.forget()
        self._new = []
        if self._saying:
            raise _Forgotten

    def close(self) -> None:
        """See `Store.close`."""
        self._store.close()
