"""Endpoints' stores without the endpoints: threads that submit to one Redis without a pause.

Every thread has a store of its own over a link of its own, as an endpoint has. What a group
closed on without an error is acknowledged; at the end every such job is looked for.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from types import TracebackType
from typing import NamedTuple, Self

from tests.contract.making import new_job
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import NewJob
from workmill.store.redis import RedisStore
from workmill.store.redis.addresses import Address
from workmill.store.redis.judgement import Judgement, Picture, judge
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink

SUBMITTERS = 3
MAX_GROUP_JOBS = 20
REFUSED_PAUSE_SECONDS = 0.02


class Found(NamedTuple):
    """What became of what was acknowledged."""

    acknowledged: int
    lost: int
    wrong: int


class Submitters:
    """They run from entering to leaving."""

    def __init__(
        self, address: Address, *, seed: int, verdict: Callable[[Picture], Judgement] = judge
    ) -> None:
        self._open = partial(
            RedisStore, partial(RedisLink, address, "{w}", prepare=load, verdict=verdict)
        )
        self._enough = threading.Event()
        self.acknowledged: dict[bytes, NewJob] = {}
        self._times = [time.monotonic()]
        self._errors: list[BaseException] = []
        self._threads = [
            threading.Thread(target=self._run, args=(random.Random(seed * 1000 + number),))
            for number in range(SUBMITTERS)
        ]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._enough.set()
        for thread in self._threads:
            thread.join()
        if self._errors:
            raise self._errors[0]

    def wait_for(self, acknowledged: int) -> None:
        """Return when that many more jobs have been acknowledged."""
        goal = len(self.acknowledged) + acknowledged
        until(lambda: self._errors or len(self.acknowledged) >= goal)

    def longest_pause_seconds(self, since: float) -> float:
        """The longest time without any acknowledgement since then."""
        times = [since, *(at for at in list(self._times) if at > since), time.monotonic()]
        return max(later - earlier for earlier, later in pairwise(times))

    def look(self) -> Found:
        """After the end: every acknowledged job must be there as it was submitted."""
        store = self._open()
        ids = list(self.acknowledged)
        with store.group():
            jobs = [job for n in range(0, len(ids), 1000) for job in store.get(ids[n : n + 1000])]
        store.close()
        lost = sum(job is None for job in jobs)
        wrong = sum(
            job is not None
            and (job.key, job.total) != (self.acknowledged[one].key, self.acknowledged[one].total)
            for one, job in zip(ids, jobs, strict=True)
        )
        return Found(len(ids), lost, wrong)

    def _run(self, chance: random.Random) -> None:
        try:
            store = self._opened()
            while store is not None and not self._enough.is_set():
                jobs = [
                    new_job(job_id=chance.randbytes(16), total=chance.randint(2, 10**6))
                    for _ in range(chance.randint(1, MAX_GROUP_JOBS))
                ]
                while not self._enough.is_set() and not self._submit(store, jobs):
                    time.sleep(REFUSED_PAUSE_SECONDS)  # what a client does before it repeats
            if store is not None:
                store.close()
        except BaseException as error:
            self._errors.append(error)
            raise

    def _opened(self) -> RedisStore | None:
        while not self._enough.is_set():
            try:
                return self._open()
            except StoreUnavailable:
                time.sleep(REFUSED_PAUSE_SECONDS)
        return None

    def _submit(self, store: RedisStore, jobs: list[NewJob]) -> bool:
        try:
            with store.group():
                store.submit(jobs)
        except StoreUnavailable:
            return False
        self.acknowledged.update((job.id, job) for job in jobs)
        self._times.append(time.monotonic())
        return True
