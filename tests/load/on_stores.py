"""The way of an endpoint without the endpoint: every thread has a store of its own.

A store here has no second layer that submits again after a failover, which would hide a loss. When
it cannot promise, a thread does what a client does: it says the same again, under the same ids,
until it is confirmed.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import ClassVar, NamedTuple, TypeVar

from tests.load.load_clients import PAUSE_SECONDS, Failed, Range, Submit, Take, Work, new_works
from tests.system.service_definition import advanced

from workmill.domain.errors import StoreUnavailable
from workmill.domain.ids import id_text
from workmill.domain.job import (
    Acknowledgement,
    Completion,
    LeaseRequest,
    NewJob,
    PullRequest,
    content_key,
)
from workmill.store.port import Store

LEASE_SECONDS = 30.0
"""Longer than any outage here: a lease that was made and never confirmed counts as an attempt when
it lapses. With 15 s, 2 of 12,315 jobs were given up after five, in 20 outages on end."""
RECEIPT_SECONDS = 40.0
"""Longer than any outage here: what lapses has been delivered to nobody that we know of."""
LEASE = partial(
    LeaseRequest,
    workloads=("sha512",),
    min_jobs=5,
    max_jobs=50,
    max_cost=0,
    lease_seconds=LEASE_SECONDS,
)
PULL = PullRequest(top=200, receipt_seconds=RECEIPT_SECONDS)
LOOK_JOBS = 1000

Answer = TypeVar("Answer")


class Found(NamedTuple):
    """What a look at a store says of what was acknowledged."""

    acknowledged: int
    lost: int
    wrong: int


@dataclass(frozen=True)
class Stores:
    """`open` opens the same store for each thread."""

    open: Callable[[], Store]
    iterations: Range
    group_jobs: Range
    between_seconds: float = 0.0
    kind: ClassVar[str] = "store"
    repeats: ClassVar[bool] = True

    def works(self, chance: random.Random) -> list[Work]:
        return new_works(chance, self.iterations, chance.randint(*self.group_jobs))

    @contextmanager
    def submitting(self, over: threading.Event) -> Iterator[Submit]:
        with _opened(self.open, over) as group:

            def submit(works: Sequence[Work]) -> list[str]:
                jobs = [new_job(work) for work in works]
                try:
                    group.once(lambda store: store.submit(jobs))
                except StoreUnavailable as error:
                    raise Failed(error.slug) from error
                return [work.name for work in works]

            yield submit

    @contextmanager
    def working(self, over: threading.Event) -> Iterator[Callable[[], None]]:
        request = LEASE(worker=threading.current_thread().name)
        with _opened(self.open, over) as group:

            def work() -> None:
                leases = group.again(lambda store: store.lease(request)) or []
                done = [
                    Completion(
                        id=one.id, token=one.token, state=advanced(one.state, one.total - one.done)
                    )
                    for one in leases
                ]
                if done:
                    group.again(lambda store: store.complete(done))
                over.wait(PAUSE_SECONDS)

            yield work

    @contextmanager
    def pulling(self, over: threading.Event) -> Iterator[Callable[[Take], None]]:
        with _opened(self.open, over) as group:

            def pull(take: Take) -> None:
                pulled = group.again(lambda store: store.pull(PULL))
                if pulled is not None and pulled.receipt is not None and pulled.results:
                    take((id_text(one.id), one.state.hex()) for one in pulled.results)
                    arrived = [Acknowledgement(receipt=pulled.receipt)]
                    group.again(lambda store: store.acknowledge(arrived))
                over.wait(PAUSE_SECONDS)

            yield pull


def new_job(work: Work) -> NewJob:
    state = advanced(work.id, 1)
    key = content_key("default", "sha512", state)
    return NewJob(id=work.id, workload="sha512", key=key, total=work.iterations, state=state)


def look(open_store: Callable[[], Store], works: Mapping[str, Work]) -> Found:
    """Every acknowledged job must be there as it was submitted."""
    wanted = [new_job(work) for work in works.values()]
    with closing(open_store()) as store, store.group():
        found = [
            job
            for first in range(0, len(wanted), LOOK_JOBS)
            for job in store.get([one.id for one in wanted[first : first + LOOK_JOBS]])
        ]
    pairs = list(zip(found, wanted, strict=True))
    wrong = sum(job is not None and (job.key, job.total) != (w.key, w.total) for job, w in pairs)
    return Found(len(wanted), sum(job is None for job in found), wrong)


class _Groups:
    """One thread's store, a group for each verb."""

    def __init__(self, store: Store, over: threading.Event) -> None:
        self._store, self._over = store, over

    def once(self, verb: Callable[[Store], Answer]) -> Answer:
        with self._store.group():
            return verb(self._store)

    def again(self, verb: Callable[[Store], Answer]) -> Answer | None:
        """The answer of a group, said again until it is confirmed; None when all is over."""
        while not self._over.is_set():
            try:
                return self.once(verb)
            except StoreUnavailable:
                self._over.wait(PAUSE_SECONDS)
        return None


@contextmanager
def _opened(open_store: Callable[[], Store], over: threading.Event) -> Iterator[_Groups]:
    """Raises StoreUnavailable only if it cannot be opened until all is over."""
    while True:
        try:
            store = open_store()
            break
        except StoreUnavailable:
            if over.wait(PAUSE_SECONDS):
                raise
    with closing(store):
        yield _Groups(store, over)
