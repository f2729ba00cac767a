"""This endpoint's own beat: straight into its store, where no caller can say it.

Once a second, and at once when it begins to leave. It is a task of its own and a group of its own,
apart from the pulse: what the disk or the store does to a beat is no news about the readings. In
SQLite it is kept in memory and syncs nothing; in Redis it is one commit of 550 bytes, as any
worker's beat is.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from contextlib import suppress
from typing import Final

from msgspec.structs import replace

from workmill import __version__
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Load, Node
from workmill.endpoint.committer import Committer
from workmill.endpoint.metrics import Metrics
from workmill.endpoint.settings import EndpointSettings
from workmill.telemetry.log import INCARNATION
from workmill.telemetry.loop_lag import LoopLag
from workmill.telemetry.resource_usage import LoadMeter

BEAT_SECONDS: Final = 1.0
LAST_SECONDS: Final = 1.0
"""How long the end of the endpoint waits for its last beat."""


class Beat:
    """Says where this endpoint serves, what it uses, and that it leaves."""

    def __init__(
        self, committer: Committer, metrics: Metrics, settings: EndpointSettings, serves: str
    ) -> None:
        self._committer = committer
        self._metrics = metrics
        self._meter = LoadMeter(directory=settings.directory)
        self._node = Node(
            incarnation=INCARNATION,
            role="endpoint",
            host=socket.gethostname(),
            pid=os.getpid(),
            version=__version__,
            serves=serves,
        )
        self._due = asyncio.Event()
        self._counted = (time.monotonic(), 0)

    async def run(self) -> None:
        """Beat until cancelled. A beat that fails is made up for by the next."""
        lag = LoopLag()
        try:
            while True:
                load = await self._load(lag)
                self._metrics.tell_load(load)
                self._node = replace(self._node, load=load)
                with suppress(WorkmillError):
                    await self._committer.beat_alone(self._node)
                with suppress(TimeoutError):
                    async with asyncio.timeout(BEAT_SECONDS):
                        await self._due.wait()
                self._due.clear()
        finally:
            lag.stop()

    def leave(self) -> None:
        """From now on it drains; that is said at once."""
        self._node = replace(self._node, draining=True)
        self._due.set()

    async def last(self) -> None:
        """Once more, when all is served: who sees its silence afterwards knows that it has left."""
        self.leave()
        with suppress(WorkmillError, TimeoutError):
            async with asyncio.timeout(LAST_SECONDS):
                await self._committer.beat_alone(self._node)

    def _measure(self) -> Load:
        self._metrics.measure_log()
        return self._meter.read()

    async def _load(self, lag: LoopLag) -> Load:
        """Measured in a thread: the file system that is asked may hang."""
        measured = await asyncio.to_thread(self._measure)
        (then, before), now = self._counted, (time.monotonic(), self._metrics.answered)
        self._counted = now
        return replace(
            measured,
            loop_lag_seconds=lag.take(),
            requests_hz=(now[1] - before) / max(now[0] - then, 1e-3),
        )
