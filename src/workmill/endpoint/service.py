"""What every handler of one endpoint works with, and the tasks that run beside them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from workmill.domain.errors import WorkmillError
from workmill.endpoint.beat import Beat
from workmill.endpoint.committer import Committer
from workmill.endpoint.deliveries import Deliveries
from workmill.endpoint.idle import IdleWorkers
from workmill.endpoint.metrics import Metrics
from workmill.endpoint.pulse import PULSE_SECONDS, Pulse
from workmill.endpoint.settings import EndpointSettings
from workmill.endpoint.watch import Watch
from workmill.store.port import Store
from workmill.telemetry import emit

PURGE_SECONDS: Final = 5.0
PURGE_JOBS: Final = 500


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
        self.batch_bytes = 0
        self.documents: dict[str, bytes] = {}
        self.pulse = Pulse()
        self.metrics = Metrics(self.pulse)
        self._on_lost = on_lost
        self.committer = Committer(
            open_store,
            max_pending_jobs=settings.max_pending_jobs,
            on_group=self.metrics.group,
            on_lost=self._store_lost,
        )
        self.beat = Beat(self.committer, self.metrics, settings, serves)
        self.deliveries = Deliveries(self.committer, on_released=self._wake_workers)
        self.watch = Watch(self.committer, settings.max_waiters)
        self.idle = IdleWorkers()
        self.folders = ThreadPoolExecutor(max_workers=2, thread_name_prefix="fold")
        self._tasks: list[asyncio.Task[None]] = []

    @property
    def ready(self) -> bool:
        """Whether this endpoint can keep a promise made now."""
        return self.pulse.healthy and not self.leaving and not self.lost

    async def start(self) -> None:
        """Open the store and begin to watch. Raises what opening raises."""
        await self.committer.open()
        await self.pulse.read(self.committer)
        for work in (
            self.beat.run(),
            self._feel(),
            self._purge(),
            self.watch.run(),
            self.idle.run(),
            self.deliveries.run(),
        ):
            self._tasks.append(asyncio.create_task(work))

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
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.deliveries.settle()
        if self._tasks:
            await self.beat.last()
        await self.committer.close()
        self.folders.shutdown(cancel_futures=True)

    def _wake_workers(self, jobs: int) -> None:
        self.idle.wake(jobs)

    def _store_lost(self) -> None:
        if not self.lost:
            self.lost = True
            emit("store.lost", level="error", action="this process ends, to be replaced")
            self._on_lost()

    async def _feel(self) -> None:
        while True:
            await asyncio.sleep(PULSE_SECONDS)
            await self.pulse.read(self.committer)

    async def _purge(self) -> None:
        removed = 0
        while True:
            await asyncio.sleep(0 if removed >= PURGE_JOBS else PURGE_SECONDS)
            try:
                removed = await self.committer.purge(PURGE_JOBS)
            except WorkmillError:
                removed = 0
