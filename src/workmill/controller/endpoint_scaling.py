"""How many endpoints there should be: a pure policy that says why.

Theory. An endpoint is one event loop and keeps little more than one core busy. What its callers
feel is the queue before that core, which grows without bound as the core fills up: at one server
with random arrivals and service times (M/M/1) a request waits b / (1 - b) service times when the
share b is busy, 1.5 of them at 0.6, 4 at 0.8, 9 at 0.9. So there are as many endpoints as keep b at
0.6 when a new one is ready:

- *cores*: what they use now, all together, divided by 0.6.
- *requests*: what is used follows the requests. If their rate has risen over the last seconds, it
  is taken to go on rising until a new endpoint has started, at most to twice of what it is.
- *lag*: a loop that answers late is overloaded whatever the cores say (its machine may be busy with
  other things). When most of them were late in several readings running, one more is started, and
  its effect awaited before the next.

It shrinks as workers do (`scale_down`), to what keeps b at 0.45: the gap between the two is what
keeps a steady load from starting and draining the same endpoint for ever.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from statistics import mean
from typing import Final, NamedTuple

from workmill.controller.scale_down import Decision, Kept, remembered, shrunk
from workmill.domain.limits import COOL_DOWN_SECONDS

BUSY_CORES: Final = 0.6
"""What one endpoint should use of a core: the theory is above."""
KEEP_CORES: Final = 0.45
"""What one may use after others have been taken away."""
LATE_SECONDS: Final = 0.1
"""A loop that lets a turn wait for so long is late: people take a tenth of a second for at once
(Nielsen, Usability Engineering, 1993, chapter 5)."""
LATE_READINGS: Final = 3
"""Late in so many readings running; one may be a hiccup."""
NOW_SECONDS: Final = 3.0
BEFORE_SECONDS: Final = 10.0
"""The request rate of the last few seconds against that of the seconds before shows its trend."""
MAX_RISE: Final = 2.0
"""No trend is believed beyond that."""
START_SECONDS: Final = 3.0
"""From the order of an endpoint to its first beat, until it has been measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointLimits:
    """What a person can set."""

    min_endpoints: int = 1
    max_endpoints: int
    start_seconds: float = START_SECONDS
    cool_down_seconds: float = COOL_DOWN_SECONDS


@dataclass(frozen=True, slots=True, kw_only=True)
class EndpointsSeen:
    """One reading of all endpoints that serve. `at_seconds` is on the reader's own clock."""

    at_seconds: float
    cpu_cores: float
    """All together."""
    requests_hz: float
    """All together."""
    late: int
    """Those whose loop was later than `LATE_SECONDS`."""
    ready: int
    starting: int = 0

    @property
    def count(self) -> int:
        return self.ready + self.starting


class EndpointsPast(NamedTuple):
    """A reading and the endpoints that its load would have kept."""

    seen: EndpointsSeen
    keep: int


def remember(
    history: Sequence[EndpointsPast], seen: EndpointsSeen, keep: int, limits: EndpointLimits
) -> list[EndpointsPast]:
    """The history with one reading more, and one at its far end that covers the whole cool-down."""
    oldest = seen.at_seconds - max(limits.cool_down_seconds, BEFORE_SECONDS)
    return remembered(history, EndpointsPast(seen, keep), oldest, lambda past: past.seen.at_seconds)


def desired(
    seen: EndpointsSeen, limits: EndpointLimits, history: Sequence[EndpointsPast]
) -> Decision:
    """How many endpoints there should be now. `history` is what `remember` has kept."""
    rise = _rise(seen, history, limits.start_seconds)
    keep = _bounded(ceil(seen.cpu_cores / KEEP_CORES), limits)
    soon = seen.cpu_cores * rise
    words = (
        f"{seen.ready} endpoints keep {seen.cpu_cores:.1f} cores busy with {seen.requests_hz:,.0f} "
        f"requests/s, {seen.late} of them answer late"
    )
    grow = _bounded(ceil(soon / BUSY_CORES), limits)
    if grow > seen.count:
        rises = f", rising to {soon:.1f} cores" if rise > 1 else ""
        why = f"each should keep no more than {BUSY_CORES:g} busy{rises}"
        return Decision(count=grow, keep=max(keep, grow), reason=f"{why}; {words}")
    if _bounded(seen.count, limits) != seen.count:
        why = f"{limits.min_endpoints} to {limits.max_endpoints} are allowed"
        return Decision(count=_bounded(seen.count, limits), keep=keep, reason=f"{why}; {words}")
    if _late(seen, history) and seen.count < limits.max_endpoints:
        why = f"most loops were over {LATE_SECONDS:g} s late for {LATE_READINGS} readings"
        return Decision(count=seen.count + 1, keep=seen.count + 1, reason=f"{why}; {words}")
    past = [Kept(one.seen.at_seconds, one.keep) for one in history]
    now = Kept(seen.at_seconds, keep)
    count, why = shrunk(seen.count, now, past, limits.cool_down_seconds)
    return Decision(count=count, keep=keep, reason=f"{why}; {words}")


def _bounded(count: int, limits: EndpointLimits) -> int:
    return max(limits.min_endpoints, min(count, limits.max_endpoints))


def _rise(seen: EndpointsSeen, history: Sequence[EndpointsPast], start_seconds: float) -> float:
    """By what factor there will be more requests when an endpoint ordered now has started."""
    readings = [*(past.seen for past in history), seen]
    ages = [(seen.at_seconds - one.at_seconds, one.requests_hz) for one in readings]
    now = [rate for age, rate in ages if age < NOW_SECONDS]
    before = [rate for age, rate in ages if NOW_SECONDS <= age < BEFORE_SECONDS]
    if not before or mean(before) <= 0:
        return 1.0
    apart_seconds = BEFORE_SECONDS / 2  # from the middle of the one window to that of the other
    slope = (mean(now) / mean(before) - 1) / apart_seconds
    return min(max(1 + slope * start_seconds, 1.0), MAX_RISE)


def _late(seen: EndpointsSeen, history: Sequence[EndpointsPast]) -> bool:
    """Whether most loops were late in every one of the last readings, while none was starting."""
    last = [*(past.seen for past in history[-(LATE_READINGS - 1) :]), seen]
    return len(last) == LATE_READINGS and all(
        one.late * 2 > one.ready and one.starting == 0 and one.ready == seen.ready for one in last
    )
