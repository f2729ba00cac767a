"""The rules that ours is compared with, and ours under the same roof.

**Queue length** is what KEDA and the Kubernetes autoscaler under it do: so many replicas that
each has its target of the queue, rounded up; nothing changes within a tenth of the target; the most
that any reading of the last 300 s asked for stays. It counts jobs in progress too, as KEDA does on
SQS: with waiting jobs alone it would remove the workers that keep a queue empty. KEDA's documented
polling interval is 30 s. Above one replica it is the autoscaler that asks, every 15 s, and then it
at most doubles the replicas (or adds four) each time: both are offered.

**The original** is the rule of the exercise that this service grew from: every ten seconds, one
worker more when the oldest job has waited over 15 s; one less when one is idle.
"""

from __future__ import annotations

from math import ceil
from typing import Final, Protocol

from workmill.controller.worker_scaling import Limits, Past, Seen, desired, remember

KEDA_POLL_SECONDS: Final = 30.0
KEDA_TARGET_JOBS: Final = 5
HPA_SYNC_SECONDS: Final = 15.0
HPA_WINDOW_SECONDS: Final = 300.0
HPA_TOLERANCE: Final = 0.1
HPA_MORE_PODS: Final = 4
ORIGINAL_TICK_SECONDS: Final = 10.0
ORIGINAL_WAIT_SECONDS: Final = 15.0
OURS_TICK_SECONDS: Final = 2.0


class Rule(Protocol):
    """Says how many workers there should be, every `tick_seconds`."""

    tick_seconds: float
    idle_seconds: float
    """A worker counts as idle after so long without a job."""

    def wanted(self, seen: Seen, idle: int, /) -> int: ...


class Ours:
    """`scaling.desired`, driven as the controller drives it."""

    tick_seconds = OURS_TICK_SECONDS
    idle_seconds = 0.0

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._history: list[Past] = []

    def wanted(self, seen: Seen, _idle: int, /) -> int:
        """See `Rule.wanted`."""
        decision = desired(seen, self._limits, self._history)
        self._history = remember(self._history, seen, decision, self._limits)
        return decision.count


class QueueLength:
    """Queue length over a target of jobs per worker."""

    idle_seconds = 0.0

    def __init__(
        self,
        limits: Limits,
        per_worker: float = KEDA_TARGET_JOBS,
        *,
        tick_seconds: float = KEDA_POLL_SECONDS,
        doubling: bool = False,
    ) -> None:
        """With `doubling`, no step up is larger than the autoscaler's own bound."""
        self.tick_seconds = tick_seconds
        self._limits = limits
        self._per_worker = per_worker
        self._doubling = doubling
        self._recommended: list[tuple[float, int]] = []

    def wanted(self, seen: Seen, _idle: int, /) -> int:
        """See `Rule.wanted`."""
        length, limits = seen.queued + seen.leased, self._limits
        count = max(seen.count, 1)
        ratio = length / (self._per_worker * count)
        asked = seen.count if abs(ratio - 1) <= HPA_TOLERANCE else ceil(length / self._per_worker)
        asked = max(limits.min_workers, min(asked, limits.max_workers))
        self._recommended.append((seen.at_seconds, asked))
        since = seen.at_seconds - HPA_WINDOW_SECONDS
        self._recommended = [one for one in self._recommended if one[0] >= since]
        if asked > seen.count:
            most = max(2 * seen.count, seen.count + HPA_MORE_PODS)
            return min(asked, most) if self._doubling else asked
        return min(seen.count, max(number for _, number in self._recommended))


class Original:
    """One more when the oldest job has waited too long, one less when one is idle."""

    tick_seconds = ORIGINAL_TICK_SECONDS

    def __init__(self, limits: Limits, *, idle_seconds: float = 0.0) -> None:
        self._limits = limits
        self.idle_seconds = idle_seconds

    def wanted(self, seen: Seen, idle: int, /) -> int:
        """See `Rule.wanted`."""
        count = seen.count
        if seen.oldest_wait_seconds > ORIGINAL_WAIT_SECONDS:
            count += 1
        elif idle:
            count -= 1
        return max(self._limits.min_workers, min(count, self._limits.max_workers))
