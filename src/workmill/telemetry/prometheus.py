"""Metrics as plain values, and the only place that writes them in Prometheus' text format.

A role counts in plain integers (half a microsecond, where the client library's locked counters
cost ten times that) and shows what it has counted as families of samples when somebody asks.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from workmill.domain.job import Load

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
PREFIX: Final = "workmill_"

Labels = tuple[str, ...]


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

    def add_to(self, family: HistogramMetricFamily, labels: Labels) -> None:
        """Write the cumulative form that Prometheus wants."""
        total = 0
        buckets: list[tuple[str, float]] = []
        for bound, count in zip((*self._bounds, float("inf")), self._counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else str(bound), total))
        family.add_metric(labels, buckets=buckets, sum_value=self._sum)


@dataclass(frozen=True, slots=True)
class Numbers:
    """Samples of one counter or gauge: each a number with its label values."""

    kind: Literal["counter", "gauge"]
    name: str
    text: str
    samples: Sequence[tuple[Labels, float]]
    labels: Labels = ()

    def written(self) -> Metric:
        """As the client library takes it."""
        kind = CounterMetricFamily if self.kind == "counter" else GaugeMetricFamily
        made: CounterMetricFamily | GaugeMetricFamily
        made = kind(PREFIX + self.name, self.text, labels=self.labels)
        for labels, number in self.samples:
            made.add_metric(labels, number)
        return made


@dataclass(frozen=True, slots=True)
class Histograms:
    """Histograms of one name, each with its label values."""

    name: str
    text: str
    samples: Sequence[tuple[Labels, Histogram]]
    labels: Labels = ()

    def written(self) -> Metric:
        """As the client library takes it."""
        made = HistogramMetricFamily(PREFIX + self.name, self.text, labels=self.labels)
        for labels, histogram in self.samples:
            histogram.add_to(made, labels)
        return made


def load_gauges(load: Load) -> Iterator[Numbers]:
    """The last measured load as metrics."""
    shown = (
        ("loop_lag_seconds", "Longest wait for a turn of the event loop, last second"),
        ("cpu_cores", "Cores kept busy by this process"),
        ("memory_fraction", "Memory of the machine in use, by whomever"),
        ("disk_fraction", "Disk under the data in use, by whomever"),
    )
    for name, text in shown:
        yield Numbers("gauge", name, text, [((), getattr(load, name))])


Family: TypeAlias = Numbers | Histograms


class MetricsPage(Collector):
    """The page that is scraped: this process, and the families of its role."""

    def __init__(self, families: Callable[[], Iterable[Family]]) -> None:
        self._families = families
        self._registry = CollectorRegistry()
        self._registry.register(self)
        ProcessCollector(registry=self._registry)

    def render(self) -> bytes:
        """The whole page."""
        return generate_latest(self._registry)

    def collect(self) -> Iterator[Metric]:
        """See `prometheus_client.registry.Collector`."""
        return (family.written() for family in self._families())
