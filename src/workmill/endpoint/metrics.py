"""What this endpoint has seen, counted on the event loop."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from workmill.domain.job import Load
from workmill.domain.limits import READING_SECONDS
from workmill.endpoint.stats_poller import Pulse
from workmill.endpoint.stats_reading import Reading
from workmill.telemetry.prometheus import (
    Family,
    Histogram,
    Histograms,
    MetricsPage,
    Numbers,
    load_gauges,
)

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
JOBS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)


class Metrics:
    """Requests, groups, and the store's counters as the pulse last felt them."""

    def __init__(self, pulse: Pulse, log_file: str | None = None) -> None:
        """`log_file` is the log of a store in a directory."""
        self._pulse = pulse
        self._log_file, self._log_bytes = log_file, 0
        self.answered = 0
        """Calls, of all kinds."""
        self._load, self._load_at = Load(), float("-inf")
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, Histogram] = {}
        self._group_jobs = Histogram(JOBS)
        self._commit_seconds = Histogram(SECONDS)
        self._page = MetricsPage(self._families)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One call was answered."""
        self.answered += 1
        key = (method, route, status)
        self._requests[key] = self._requests.get(key, 0) + 1
        histogram = self._seconds.get(route)
        if histogram is None:
            histogram = self._seconds[route] = Histogram(SECONDS)
        histogram.observe(seconds)

    def group(self, jobs: int, seconds: float) -> None:
        """One group was committed."""
        self._group_jobs.observe(jobs)
        self._commit_seconds.observe(seconds)

    def tell_load(self, load: Load) -> None:
        """What this process uses, as it was measured just now."""
        self._load, self._load_at = load, time.monotonic()

    def measure_log(self) -> None:
        """Look at the size of the log; not on the event loop, for its disk may hang."""
        if self._log_file is not None:
            self._log_bytes = _size_of(Path(self._log_file))

    def render(self) -> bytes:
        """The whole page."""
        return self._page.render()

    def _families(self) -> Iterator[Family]:
        requests = [((m, route, str(s)), n) for (m, route, s), n in self._requests.items()]
        seconds = [((route,), histogram) for route, histogram in self._seconds.items()]
        labels = ("method", "route", "status")
        yield Numbers("counter", "requests", "Calls answered", requests, labels)
        text = "Time from head to answer"
        yield Histograms("request_seconds", text, seconds, ("route",))
        yield Histograms("group_jobs", "Jobs per commit", [((), self._group_jobs)])
        yield Histograms("commit_seconds", "Time per commit", [((), self._commit_seconds)])
        if time.monotonic() - self._load_at <= READING_SECONDS:
            yield from load_gauges(self._load)
            yield from self._log_gauge()
        if (age_seconds := self._pulse.age_seconds) is not None:
            text = "Seconds since the store was last read; old figures are absent"
            yield Numbers("gauge", "reading_age_seconds", text, [((), age_seconds)])
        if reading := self._pulse.latest():
            yield from _of_store(reading)

    def _log_gauge(self) -> Iterator[Family]:
        if self._log_file is not None:
            text = "Size of the store's log"
            yield Numbers("gauge", "store_log_bytes", text, [((), self._log_bytes)])


def _of_store(reading: Reading) -> Iterator[Family]:
    jobs = [((str(status),), count) for status, count in reading.stats.jobs.items()]
    yield Numbers("gauge", "jobs", "Jobs by status", jobs, ("status",))
    for name, text, value in reading.gauges():
        yield Numbers("gauge", name, text, [((), value)])
    for name, text, total in reading.counters():
        yield Numbers("counter", name, text, [((), total)])


def _size_of(file: Path) -> int:
    try:
        return file.stat().st_size
    except OSError:
        return 0
