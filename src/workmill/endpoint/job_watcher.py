"""One watcher per process for everybody who waits for jobs: long-polls and event streams.

A completion that passes through this process is a hint, looked at at once; the poll of all
watched jobs every quarter second is the truth, for jobs also end through other endpoints,
through single-flight, and by running out of attempts.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from workmill.domain.errors import WorkmillError
from workmill.domain.job import Job
from workmill.domain.lifecycle import Status
from workmill.endpoint.committer import Committer

POLL_SECONDS: Final = 0.25
IDS_PER_GET: Final = 1000


class Watcher:
    """One caller's view: the news of its jobs since it last looked."""

    def __init__(self, ids: Iterable[bytes]) -> None:
        self.ids = frozenset(ids)
        self.ended = False
        self._news: dict[bytes, Job] = {}
        self._bell = asyncio.Event()

    async def news(self) -> list[Job]:
        """Wait for changes and take them; empty when the watch is over (`ended`)."""
        await self._bell.wait()
        self._bell.clear()
        news = list(self._news.values())
        self._news.clear()
        return news

    def tell(self, job: Job) -> None:
        self._news[job.id] = job
        self._bell.set()

    def end(self) -> None:
        """Nothing more will come: the endpoint drains."""
        self.ended = True
        self._bell.set()


class Watch:
    """Looks after all watchers of this process."""

    def __init__(self, committer: Committer, max_watchers: int) -> None:
        self._committer = committer
        self._max_watchers = max_watchers
        self._watchers: dict[bytes, set[Watcher]] = {}
        self._seen: dict[bytes, tuple[Status, int]] = {}
        self._count = 0
        self._hinted: set[bytes] = set()
        self._bell = asyncio.Event()
        self._ended = False

    @property
    def full(self) -> bool:
        """Whether no further watcher is taken."""
        return self._ended or self._count >= self._max_watchers

    @contextmanager
    def following(self, ids: Iterable[bytes]) -> Iterator[Watcher]:
        """Watch these jobs for a while. The first news of each is how it stands."""
        watcher = Watcher(ids)
        self._count += 1
        for job_id in watcher.ids:
            self._watchers.setdefault(job_id, set()).add(watcher)
            self._seen.pop(job_id, None)
        self.hint(watcher.ids)
        try:
            yield watcher
        finally:
            self._count -= 1
            for job_id in watcher.ids:
                self._forget(job_id, watcher)

    def hint(self, ids: Iterable[bytes]) -> None:
        """These jobs have probably changed: look at the watched ones now."""
        if not self._watchers:
            return
        watched = [job_id for job_id in ids if job_id in self._watchers]
        if watched:
            self._hinted.update(watched)
            self._bell.set()

    async def run(self) -> None:
        """Look at hinted jobs at once and at all of them every `POLL_SECONDS`, for ever."""
        loop = asyncio.get_running_loop()
        next_poll = loop.time()
        while True:
            if not self._watchers:
                await self._bell.wait()
            wait_seconds = max(0.0, next_poll - loop.time())
            try:
                async with asyncio.timeout(wait_seconds):
                    await self._bell.wait()
                ids = list(self._hinted)
            except TimeoutError:
                ids = list(self._watchers)
                next_poll = loop.time() + POLL_SECONDS
            self._bell.clear()
            self._hinted.clear()
            await self._look(ids)

    def end(self) -> None:
        """Let every watcher go."""
        self._ended = True
        for watchers in self._watchers.values():
            for watcher in watchers:
                watcher.end()

    async def _look(self, ids: Sequence[bytes]) -> None:
        for start in range(0, len(ids), IDS_PER_GET):
            try:
                jobs = await self._committer.get(ids[start : start + IDS_PER_GET])
            except WorkmillError:
                return
            for job in jobs:
                if job is not None:
                    self._compare(job)

    def _compare(self, job: Job) -> None:
        now = (job.status, job.done)
        if self._seen.get(job.id) == now or job.id not in self._watchers:
            return
        self._seen[job.id] = now
        for watcher in self._watchers[job.id]:
            watcher.tell(job)

    def _forget(self, job_id: bytes, watcher: Watcher) -> None:
        watchers = self._watchers[job_id]
        watchers.discard(watcher)
        if not watchers:
            del self._watchers[job_id]
            self._seen.pop(job_id, None)
            self._hinted.discard(job_id)
