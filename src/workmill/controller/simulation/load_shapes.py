"""Shapes of load: when jobs come and how much work each is. Seeded, so every run is the same.

Sizes are in seconds of one lane, the time that a job takes once it is taken up; the world turns
them into iterations. A shape's load ends before its run does, so that what is paid after it counts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from math import pi, sin
from random import Random
from typing import Final, NamedTuple


class Arrival(NamedTuple):
    """One job: when it comes, and how long one lane works on it."""

    at_seconds: float
    lane_seconds: float


Rate = Callable[[float], float]
"""Jobs per second at a time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """One load, and the machines it meets."""

    text: str
    run_seconds: float
    """How long workers are paid for at least."""
    load_seconds: float
    rate: Rate
    top_rate: float
    """The most that `rate` gives."""
    size: Callable[[Random], float]
    mean_lane_seconds: float
    burst_jobs: int = 0
    """So many come at once, at `burst_at_seconds`."""
    burst_at_seconds: float = 0.0
    start_seconds: float = 5.0
    life_seconds: float | None = None
    """The mean life of a worker before it dies, where they do."""

    def arrivals(self, seed: int, scale: float) -> list[Arrival]:
        """Every job in the order of its coming; `scale` times as many as the shape says."""
        dice = Random(f"{seed} arrivals")  # noqa: S311 - it makes up a load, it hides nothing
        found = [Arrival(at, self.size(dice)) for at in self._times(dice, scale)]
        found += [
            Arrival(self.burst_at_seconds, self.size(dice))
            for _ in range(round(self.burst_jobs * scale))
        ]
        return sorted(found)

    def _times(self, dice: Random, scale: float) -> Iterator[float]:
        """A Poisson process of changing rate, by thinning one of the highest."""
        at, top = 0.0, self.top_rate * scale
        while top and (at := at + dice.expovariate(top)) < self.load_seconds:
            if dice.random() * self.top_rate < self.rate(at):
                yield at


def _exponential(mean: float) -> Callable[[Random], float]:
    return lambda dice: dice.expovariate(1 / mean)


_TAIL: Final = 1.5
"""The exponent of the heavy tail: the mean is there, the variance is not."""
_LEAST_SECONDS: Final = 2.0
_MOST_SECONDS: Final = 2000.0


def _pareto(dice: Random) -> float:
    return min(_LEAST_SECONDS * dice.paretovariate(_TAIL), _MOST_SECONDS)


_PARETO_MEAN: Final = (
    _LEAST_SECONDS * (_TAIL - (_LEAST_SECONDS / _MOST_SECONDS) ** (_TAIL - 1)) / (_TAIL - 1)
)
"""Of the bounded variable: the part below the bound, and the bound for the rest."""


def _crowd(low: float, high: float, start: float, end: float, ramp: float) -> Rate:
    """From `low` to `high` within `ramp` seconds, and back at `end`."""

    def rate(at: float) -> float:
        if not start <= at < end:
            return low
        return low + (high - low) * min(1.0, (at - start) / ramp)

    return rate


_HOUR: Final = 3600.0
_FLASH: Final = Shape(
    text="ten jobs a second, twenty times as many for three minutes",
    run_seconds=1800.0,
    load_seconds=1500.0,
    rate=_crowd(10.0, 200.0, 600.0, 780.0, 10.0),
    top_rate=200.0,
    size=_exponential(2.0),
    mean_lane_seconds=2.0,
)


_STEADY: Final = replace(
    _FLASH,
    text="forty jobs a second, all the time",
    rate=lambda _at: 40.0,
    top_rate=40.0,
)
SHAPES: Final[Mapping[str, Shape]] = {
    "steady": _STEADY,
    "burst": replace(
        _FLASH,
        text="2,000 jobs at once, after five quiet minutes",
        rate=lambda _at: 0.2,
        top_rate=0.2,
        size=_exponential(10.0),
        mean_lane_seconds=10.0,
        burst_jobs=2000,
        burst_at_seconds=300.0,
    ),
    "daily": replace(
        _FLASH,
        text="a day's wave, from one job in five seconds to four a second",
        run_seconds=25 * _HOUR,
        load_seconds=24 * _HOUR,
        rate=lambda at: 2.1 - 1.9 * sin(2 * pi * (at / (24 * _HOUR) + 0.25)),
        top_rate=4.0,
        size=_exponential(20.0),
        mean_lane_seconds=20.0,
    ),
    "flash-crowd": _FLASH,
    "heavy-tail": replace(
        _FLASH,
        text="ten jobs a second, most of some seconds, a few of half an hour",
        run_seconds=2 * _HOUR,
        load_seconds=1.5 * _HOUR,
        rate=lambda _at: 10.0,
        top_rate=10.0,
        size=_pareto,
        mean_lane_seconds=_PARETO_MEAN,
    ),
    "dying-nodes": replace(
        _STEADY,
        text="forty jobs a second on workers that live for ten minutes in the mean",
        life_seconds=600.0,
    ),
    "slow-starts": replace(
        _FLASH,
        text="the flash crowd, on machines that take 90 s to start",
        start_seconds=90.0,
    ),
}
