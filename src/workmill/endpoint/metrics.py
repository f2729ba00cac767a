"""What this endpoint has seen, in Prometheus' text format.

Counted on the event loop in plain integers (half a microsecond a request, where the
client library's locked counters cost ten times that) and turned into metric families
only when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from workmill.endpoint.pulse import Pulse

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0)
JOBS: Final = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 5000)


class Histogram:
    """Counts per bucket, each bucket up to and including its bound."""

    __slots__ = ("_bounds", "_counts", "_sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._sum = 0.0

    def observe(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._sum += value

    def add_to(self, family: HistogramMetricFamily, labels: Sequence[str]) -> None:
        """Write the cumulative form that Prometheus wants."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
        family.add_metric(labels, buckets=buckets, sum_value=self._sum)


class Metrics(Collector):
    """Requests, groups, and the store's counters as the pulse last felt them."""

    def __init__(self, pulse: Pulse) -> None:
        self._pulse = pulse
        self._requests: dict[tuple[str, str, int], int] = {}
        self._seconds: dict[str, Histogram] = {}
        self._group_jobs = Histogram(JOBS)
        self._commit_seconds = Histogram(SECONDS)
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """One call was answered."""
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

    def render(self) -> bytes:
        """The whole page."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        requests = CounterMetricFamily(
            "workmill_requests", "Calls answered", labels=["method", "route", "status"]
        )
        for (method, route, status), count in self._requests.items():
            requests.add_metric([method, route, str(status)], count)
        yield requests
        seconds = HistogramMetricFamily(
            "workmill_request_seconds", "Time from head to answer", labels=["route"]
        )
        for route, histogram in self._seconds.items():
            histogram.add_to(seconds, [route])
        yield seconds
        yield _histogram("workmill_group_jobs", "Jobs per commit", self._group_jobs)
        yield _histogram("workmill_commit_seconds", "Time per commit", self._commit_seconds)
        yield from self._store_families()

    def _store_families(self) -> Iterator[Metric]:
        jobs = GaugeMetricFamily("workmill_jobs", "Jobs by status", labels=["status"])
        for status, count in self._pulse.stats.jobs.items():
            jobs.add_metric([str(status)], count)
        yield jobs
        for name, text, value in self._pulse.gauges():
            yield GaugeMetricFamily(f"workmill_{name}", text, value=value)
        for name, text, total in self._pulse.counters():
            yield CounterMetricFamily(f"workmill_{name}", text, value=total)


def _histogram(name: str, text: str, histogram: Histogram) -> Metric:
    family = HistogramMetricFamily(name, text, labels=[])
    histogram.add_to(family, [])
    return family
