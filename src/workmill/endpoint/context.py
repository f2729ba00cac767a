"""What every handler of one endpoint works with, and the tasks that run beside them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from workmill.domain.errors import WorkmillError
from workmill.endpoint.background_tasks import Background
from workmill.endpoint.committer import Committer
from workmill.endpoint.deliveries import Deliveries
from workmill.endpoint.heartbeat import Beat
from workmill.endpoint.job_watcher import Watch
from workmill.endpoint.metrics import Metrics
from workmill.endpoint.settings import EndpointSettings
from workmill.endpoint.stats_poller import PULSE_SECONDS, Pulse
from workmill.endpoint.temporary_files import clear_scratch
from workmill.endpoint.thread_pools import whole_pool
from workmill.endpoint.unheard_grants import Grants
from workmill.endpoint.waiting_workers import IdleWorkers
from workmill.store.port import Store
from workmill.telemetry import emit
from workmill.telemetry.container_limits import usable_cores

PURGE_SECONDS: Final = 5.0
PURGE_JOBS: Final = 500
MAX_FOLDERS: Final = 2
"""Threads that fold large batches; one where there is one core."""
PURGE_REPORT_SECONDS: Final = 60.0


class Service:
    """One endpoint's parts. `start` before the first request, `close` after the last."""

    def __init__(
        self,
        open_store: Callable[[], Store],
        settings: EndpointSettings,
        on_lost: Callable[[], None],
        serves: str,
    ) -> None:
        """`serves` is the `address:port` under which other machines reach this endpoint."""
        self.settings = settings
        self.leaving = False
        self.draining = False
        self.lost = False
        self.subscribers = 0
        self.max_subscribers = settings.max_subscribers
        """Or fewer, where the endpoint holds few connections."""
        self.batch_bytes = 0
        self.documents: dict[str, bytes] = {}
        self.pulse = Pulse()
        self.metrics = Metrics(self.pulse, settings.log_file)
        self._on_lost = on_lost
        self.committer = Committer(
            open_store,
            max_pending_jobs=settings.max_pending_jobs,
            on_group=self.metrics.group,
            on_lost=self._store_lost,
        )
        self.beat = Beat(self.committer, self.metrics, settings, serves)
        self.deliveries = Deliveries(self.committer, on_released=self._wake_workers)
        self.grants = Grants()
        self.watch = Watch(self.committer, settings.max_waiters)
        self.idle = IdleWorkers()
        self.folders = whole_pool(min(MAX_FOLDERS, usable_cores()), "fold")
        self._background = Background()

    @property
    def ready(self) -> bool:
        """Whether this endpoint can keep a promise made now."""
        return self.problem is None

    @property
    def problem(self) -> str | None:
        """Why no promise can be kept that would be made now, None when one can."""
        if self.leaving and not self.lost:
            return "is draining"
        if self.lost:
            return "has lost its store and ends"
        if (why := self.committer.proofs.problem) is not None:
            return f"cannot use its store: {why.rstrip('.')}"
        return None if self.pulse.healthy else "cannot use its store"

    async def start(self) -> None:
        """Open the store and begin to watch. Raises what opening raises."""
        await self.committer.open()
        await asyncio.to_thread(clear_scratch, self.settings.directory)
        await asyncio.gather(self._probe(), self.pulse.read(self.committer))
        self._background.start("overdue calls", self.committer.tell_overdue)
        self._background.start("heartbeat", self.beat.run)
        self._background.start("readings", self._feel)
        self._background.start("purge", self._purge)
        self._background.start("watch", self.watch.run)
        self._background.start("idle workers", self.idle.run)
        self._background.start("deliveries", self.deliveries.run)

    def leave(self) -> None:
        """Not ready any more, and no connection is kept past its next answer; all else goes on."""
        self.leaving = True
        self.beat.leave()

    def drain(self) -> None:
        """The end begins: everybody who waits is answered now."""
        self.leave()
        self.draining = True
        self.idle.end()
        self.watch.end()
        self.pulse.end()

    async def close(self) -> None:
        """Beat once more, commit the last group and close the store."""
        begun = await self._background.end()
        await self.deliveries.settle()
        if begun:
            await self.beat.last()
        await self.committer.close()
        self.folders.shutdown(cancel_futures=True)

    def _wake_workers(self, jobs: int) -> None:
        self.idle.wake(jobs)

    def _store_lost(self) -> None:
        if not self.lost:
            self.lost = True
            emit(
                "store.lost",
                level="error",
                detail=self.committer.proofs.problem,
                action="this process ends, to be replaced",
            )
            self._on_lost()

    async def _feel(self) -> None:
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            if self.committer.proofs.due:
                await asyncio.gather(self._probe(), self.pulse.read(self.committer))
            else:
                await self.pulse.read(self.committer)

    async def _probe(self) -> None:
        with suppress(WorkmillError):
            await self.committer.probe()

    async def _purge(self) -> None:
        removed = 0
        report = PurgeReport()
        while True:
            await asyncio.sleep(0 if removed >= PURGE_JOBS else PURGE_SECONDS)
            try:
                removed = await self.committer.purge(PURGE_JOBS)
            except WorkmillError:
                removed = 0
            report.add(removed)


class PurgeReport:
    """Says how many jobs have gone, at once and then at most once a minute."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is monotonic, in seconds."""
        self._now = now
        self._removed = 0
        self._said_at = -PURGE_REPORT_SECONDS

    def add(self, removed: int) -> None:
        """So many more."""
        self._removed += removed
        if self._removed and self._now() - self._said_at >= PURGE_REPORT_SECONDS:
            emit("store.purged", removed=self._removed, why="their retention is over")
            self._removed, self._said_at = 0, self._now()
