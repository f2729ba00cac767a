"""Endpoints that submit, work and pull on a set of Redis hosts without a pause.

Every thread has a store of its own, as every endpoint has, but without the second layer, which
submits again after a failover and would hide a loss. When the store cannot promise, it does
what a client does: it says the same again, under the same ids, until it is confirmed. What was
confirmed is written into a ledger, which is judged at the end.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import TracebackType
from typing import Self, TypeVar

from tests.faults.ledger import Judgement, Ledger
from tests.hosts.hosts import Hosts
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.domain.ids import id_text, new_id
from workmill.domain.job import (
    Acknowledgement,
    Completion,
    LeaseRequest,
    NewJob,
    PullRequest,
    content_key,
)
from workmill.runtime.redis_hosts.preparing import store_address
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.addresses import parse_address
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink
from workmill.store.redis.opening import TAG

SUBMITTERS, WORKERS = 2, 2
BATCH_JOBS = 5
TOTAL = 3
LEASE_SECONDS = 15.0
RECEIPT_SECONDS = 40.0
"""Longer than any outage here: what lapses has been delivered to nobody that we know of."""
BETWEEN_SECONDS = 0.02
END_SECONDS = 120.0

Answer = TypeVar("Answer")


class RedisLoad:
    """Runs from entering to leaving; leaving waits until everything acknowledged is delivered."""

    def __init__(self, hosts: Hosts) -> None:
        self.ledger = Ledger()
        self.confirmed_at: list[float] = []
        """When submits were confirmed, in seconds of the monotonic clock."""
        self._address = parse_address(store_address(hosts.plan, str(hosts.folder / "endpoint")))
        self._enough, self._emptied = threading.Event(), threading.Event()
        self._errors: list[BaseException] = []
        self._submitters = [self._thread(self._submit) for _ in range(SUBMITTERS)]
        self._others = [self._thread(self._work) for _ in range(WORKERS)]
        self._others.append(self._thread(self._pull))

    def __enter__(self) -> Self:
        for thread in [*self._submitters, *self._others]:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        for thread in self._submitters:
            thread.join()
        deadline = time.monotonic() + END_SECONDS
        while kind is None and self._missing() and not self._errors:
            if time.monotonic() > deadline or self._emptied.wait(BETWEEN_SECONDS):
                break
        self._emptied.set()
        for thread in self._others:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def wait_for(self, acknowledged: int) -> None:
        """Return when that many more jobs have been acknowledged."""
        goal = len(self.ledger.acknowledged) + acknowledged
        until(lambda: self._errors or len(self.ledger.acknowledged) >= goal)

    @property
    def longest_silence_seconds(self) -> float:
        """The longest time in which no submit was confirmed."""
        times = sorted(self.confirmed_at)
        return max(after - before for before, after in pairwise(times))

    def judge(self) -> Judgement:
        return self.ledger.judge()

    def _missing(self) -> int:
        delivered = {job for job, _ in list(self.ledger.delivered)}
        return len(self.ledger.acknowledged.keys() - delivered)

    def _thread(self, act: Callable[[Store], None]) -> threading.Thread:
        return threading.Thread(target=self._with_store, args=(act,))

    def _with_store(self, act: Callable[[Store], None]) -> None:
        try:
            store = RedisStore(partial(RedisLink, self._address, TAG, prepare=load))
            try:
                act(store)
            finally:
                store.close()
        except BaseException as error:
            self._errors.append(error)
            raise

    def _confirmed(self, store: Store, act: Callable[[], Answer]) -> Answer | None:
        """The answer to one group, said again until it is confirmed; None when all is over."""
        while not self._emptied.is_set():
            try:
                with store.group():
                    answer = act()
            except StoreUnavailable:
                self._emptied.wait(BETWEEN_SECONDS)
            else:
                return answer
        return None

    def _submit(self, store: Store) -> None:
        while not self._enough.wait(BETWEEN_SECONDS):
            ids = [new_id() for _ in range(BATCH_JOBS)]
            jobs = [job(one) for one in ids]
            if self._confirmed(store, partial(store.submit, jobs)) is not None:
                self.ledger.acknowledged |= {id_text(one): (one, TOTAL) for one in ids}
                self.confirmed_at.append(time.monotonic())

    def _work(self, store: Store) -> None:
        request = LeaseRequest(
            worker=threading.current_thread().name,
            workloads=("sha512",),
            min_jobs=BATCH_JOBS,
            max_jobs=50,
            max_cost=0,
            lease_seconds=LEASE_SECONDS,
        )
        while not self._emptied.wait(BETWEEN_SECONDS):
            leases = self._confirmed(store, partial(store.lease, request)) or []
            done = [
                Completion(
                    id=one.id, token=one.token, state=advanced(one.state, one.total - one.done)
                )
                for one in leases
            ]
            if done:
                self._confirmed(store, partial(store.complete, done))

    def _pull(self, store: Store) -> None:
        request = PullRequest(top=200, receipt_seconds=RECEIPT_SECONDS)
        while not self._emptied.wait(BETWEEN_SECONDS):
            pulled = self._confirmed(store, partial(store.pull, request))
            if pulled is None or pulled.receipt is None or not pulled.results:
                continue
            self.ledger.delivered += [(id_text(one.id), one.state.hex()) for one in pulled.results]
            arrived = [Acknowledgement(receipt=pulled.receipt)]
            self._confirmed(store, partial(store.acknowledge, arrived))


def job(job_id: bytes) -> NewJob:
    """Work on the id itself, so that its value is known and no two jobs are the same."""
    state = hashlib.sha512(job_id).digest()
    key = content_key("default", "sha512", state)
    return NewJob(id=job_id, workload="sha512", key=key, total=TOTAL, state=state)


def advanced(state: bytes, iterations: int) -> bytes:
    for _ in range(iterations):
        state = hashlib.sha512(state).digest()
    return state
