"""How the whole system stands: the store's counters and the live nodes, felt once a second.

One read a second serves every page, progress bar, metric and prediction of this process,
however many ask.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Final

from workmill.domain.cost import eta_seconds
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Job, Node, Stats
from workmill.domain.lifecycle import ENDED, Status
from workmill.endpoint.committer import Committer
from workmill.wire.messages import StatsView

PULSE_SECONDS: Final = 1.0
_NONE_YET: Final = Stats(
    jobs={},
    backlog_iterations=0,
    oldest_queued_at_ms=None,
    submitted_total=0,
    completed_total=0,
    failed_total=0,
    cancelled_total=0,
    delivered_total=0,
    expired_leases_total=0,
    attached_total=0,
    known_hits_total=0,
    iterations_saved_total=0,
    iterations_done_total=0,
    known_jobs=0,
    known_bytes=0,
)


class Pulse:
    """The latest reading. `beats` is set and replaced at every new one."""

    def __init__(self) -> None:
        self.stats = _NONE_YET
        self.nodes: list[Node] = []
        self.rate_hz = 0.0
        self.lanes = 0
        self.workers = 0
        self.healthy = True
        self._next: asyncio.Future[None] | None = None

    async def read(self, committer: Committer) -> None:
        """Ask the store once and let everybody know."""
        try:
            stats, nodes = await asyncio.gather(committer.stats(), committer.nodes())
        except WorkmillError:
            self.healthy = False
        else:
            self.healthy = True
            self.stats, self.nodes = stats, nodes
            workers = [node for node in nodes if node.role == "worker"]
            self.workers = len(workers)
            active = [node for node in workers if not node.draining]
            self.rate_hz = sum(node.rate_hz for node in active)
            self.lanes = sum(node.slots for node in active)
        self._let_know()

    async def next_reading(self) -> None:
        """Wait for the next reading, or for the end."""
        if self._next is None:
            self._next = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._next)

    def end(self) -> None:
        """Let everybody go who waits for a reading."""
        self._let_know()

    def view(self) -> StatsView:
        """The reading as `GET /v1/stats` and the event stream show it."""
        return StatsView(
            stats=self.stats,
            rate_hz=self.rate_hz,
            workers=self.workers,
            backlog_seconds=eta_seconds(self.stats.backlog_iterations, 0, self.rate_hz, self.lanes),
        )

    def eta_of_new(self, iterations: int) -> float | None:
        """Predicted seconds until a job that joins the queue's end now is done."""
        return self._eta(self.stats.backlog_iterations, iterations)

    def eta_of(self, job: Job) -> float | None:
        """Predicted seconds until this job is done; leased jobs share the fleet's rate."""
        left = job.total - job.done
        if job.status in ENDED:
            return None
        if job.status is Status.QUEUED:
            ahead = max(0, self.stats.backlog_iterations - left)
            return self._eta(ahead, left)
        others = max(0, self.stats.jobs.get(Status.LEASED, 1) - 1)
        return self._eta(left * others, left)

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Name, text and value of what goes up and down."""
        yield "backlog_iterations", "Iterations still to do", self.stats.backlog_iterations
        seconds = self.view().backlog_seconds if self.stats.backlog_iterations else 0.0
        if seconds is not None:
            yield "backlog_seconds", "Predicted time until all of it is done", seconds
        yield "workers", "Live workers", self.workers
        yield "rate_hz", "Iterations per second of all live workers", self.rate_hz
        yield "known_jobs", "Finished work remembered", self.stats.known_jobs
        yield "known_bytes", "Size of finished work remembered", self.stats.known_bytes
        away = len(self.stats.unavailable)
        yield "store_parts_away", "Parts of the store that do not answer", away
        yield "store_warnings", "What is doubtful at the store", len(self.stats.warnings)

    def counters(self) -> Iterator[tuple[str, str, float]]:
        """Name, text and value of what only grows."""
        for field in Stats.__struct_fields__:
            if field.endswith("_total"):
                name = field.removesuffix("_total")
                yield name, f"{name.replace('_', ' ').capitalize()}", getattr(self.stats, field)

    def _eta(self, ahead: int, own: int) -> float | None:
        seconds = eta_seconds(ahead, own, self.rate_hz, self.lanes)
        return None if seconds is None else round(seconds, 3)

    def _let_know(self) -> None:
        if self._next is not None and not self._next.done():
            self._next.set_result(None)
        self._next = None
