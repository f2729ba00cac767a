"""One reading of the store: how the whole system stood at one moment, and what follows from that.

A reading is never changed and bears the time at which it was taken, on this process' monotonic
clock. Whoever shows one asks for it by its age (`Pulse.latest`): figures that are too old are not
shown at all, for a reader that scales by them could not tell.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from workmill.domain.cost import Fleet, Forecast, seconds_of
from workmill.domain.job import Job, Node, Stats
from workmill.domain.lifecycle import ENDED
from workmill.domain.queue_profile import QueueProfile
from workmill.wire.messages import StatsView


@dataclass(frozen=True, kw_only=True)
class Reading:
    """The store's counters, the live nodes and the queue in outline, all of one group."""

    stats: Stats
    nodes: list[Node]
    profile: QueueProfile
    taken_at: float
    """In seconds, on the monotonic clock: before the store was asked."""

    @cached_property
    def workers(self) -> int:
        """Live ones, those that drain among them."""
        return sum(node.role == "worker" for node in self.nodes)

    @cached_property
    def fleet(self) -> Fleet:
        """The workers that go on and whose rate is known. One that has computed nothing yet would
        add lanes without their rate, and make each lane look slow."""
        rated = [
            node
            for node in self.nodes
            if node.role == "worker" and not node.draining and node.rate_hz > 0
        ]
        return Fleet(sum(node.rate_hz for node in rated), sum(max(1, n.slots) for n in rated))

    @cached_property
    def forecast(self) -> Forecast:
        """Made when first asked for: many readings are not."""
        return Forecast(self.profile, self.fleet)

    def view(self, age_seconds: float) -> StatsView:
        """As `GET /v1/stats` and the event stream show it."""
        return StatsView(
            stats=self.stats,
            rate_hz=self.fleet.rate_hz,
            workers=self.workers,
            backlog_seconds=seconds_of(self.stats.backlog_iterations, self.fleet.rate_hz),
            age_seconds=round(age_seconds, 3),
        )

    def eta_of(self, job: Job) -> float | None:
        """Predicted seconds until this job is done; None when it is, or when nobody can tell."""
        if job.status in ENDED:
            return None
        left = job.total - job.done
        if job.waits_at is not None:
            return _rounded(self.forecast.of_queued(job.waits_at, left))
        return _rounded(self.forecast.of_leased(left))

    def eta_of_new(self, priority: int, work: int) -> float | None:
        """Predicted seconds until a job that joins the queue now is done."""
        return _rounded(self.forecast.of_new(priority, work))

    def gauges(self) -> Iterator[tuple[str, str, float]]:
        """Name, text and value of what goes up and down."""
        stats = self.stats
        yield "backlog_iterations", "Iterations still to do", stats.backlog_iterations
        seconds = seconds_of(stats.backlog_iterations, self.fleet.rate_hz)
        if not stats.backlog_iterations:
            seconds = 0.0
        if seconds is not None:
            yield "backlog_seconds", "Predicted time until all of it is done", seconds
        yield "workers", "Live workers", self.workers
        yield "rate_hz", "Iterations per second of all live workers", self.fleet.rate_hz
        yield "known_jobs", "Finished work remembered", stats.known_jobs
        yield "known_bytes", "Size of finished work remembered", stats.known_bytes
        away = len(stats.unavailable)
        yield "store_parts_away", "Parts of the store that do not answer", away
        yield "store_warnings", "What is doubtful at the store", len(stats.warnings)

    def counters(self) -> Iterator[tuple[str, str, float]]:
        """Name, text and value of what only grows."""
        for field in Stats.__struct_fields__:
            if field.endswith("_total"):
                name = field.removesuffix("_total")
                yield name, f"{name.replace('_', ' ').capitalize()}", getattr(self.stats, field)


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
