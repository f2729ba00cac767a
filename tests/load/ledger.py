"""What was acknowledged, what was delivered, and what that says about the service."""

from __future__ import annotations

import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Generic, NamedTuple, TypeVar

Expected = TypeVar("Expected")


class Judgement(NamedTuple):
    """How many acknowledged jobs went which way; a service that keeps its promises has only right
    ones. Whatever was delivered more than once was delivered `twice`."""

    right: int
    wrong: int
    lost: int
    twice: int


@dataclass(frozen=True)
class Outcome:
    """What became of a load. Requests are counted by the kind of their way."""

    acknowledged: int
    judgement: Judgement
    sent: Mapping[str, int]
    failed: Mapping[str, Counter[str]]
    """How many requests failed for which reason."""
    longest_pause_seconds: float
    """The longest time between two acknowledgements."""

    @property
    def kept(self) -> bool:
        """Nothing acknowledged was lost, wrong or delivered twice."""
        return self.judgement == (self.acknowledged, 0, 0, 0)

    def failures(self, kind: str) -> int:
        """How many requests of this kind failed."""
        return self.failed.get(kind, Counter()).total()

    def failed_share(self, kind: str) -> float:
        """The same as a share of those sent, from 0 to 1."""
        return self.failures(kind) / self.sent[kind]

    def __str__(self) -> str:
        requests = [
            f"{self.failures(kind)} of {sent} {kind} requests failed {dict(self.failed[kind])}"
            if self.failures(kind)
            else f"none of {sent} {kind} requests failed"
            for kind, sent in self.sent.items()
        ]
        return (
            f"{self.acknowledged} acknowledged, {self.judgement}, {', '.join(requests)}, "
            f"nothing was acknowledged for {self.longest_pause_seconds:.2f} s at most"
        )


class Ledger(Generic[Expected]):
    """Filled by those who submit and by those who pull, from any thread; judged at the end."""

    def __init__(self, acknowledged: Mapping[str, Expected] | None = None) -> None:
        self.acknowledged: dict[str, Expected] = dict(acknowledged or {})
        """By its id, what tells the value that each must have."""
        self._delivered: defaultdict[str, list[str]] = defaultdict(list)
        self._sent: Counter[str] = Counter()
        self._failed: defaultdict[str, Counter[str]] = defaultdict(Counter)
        self._times: list[float] = []
        self._lock = threading.Lock()

    def acknowledge(self, kind: str, names: Sequence[str], works: Sequence[Expected]) -> None:
        """A request was confirmed, and these jobs with it."""
        with self._lock:
            self._sent[kind] += 1
            self.acknowledged.update(zip(names, works, strict=True))
            self._times.append(time.monotonic())

    def fail(self, kind: str, reason: str) -> None:
        """A request was not."""
        with self._lock:
            self._sent[kind] += 1
            self._failed[kind][reason] += 1

    def deliver(self, results: Iterable[tuple[str, str]]) -> None:
        """These ids came with these values, in hex."""
        with self._lock:
            for job, value in results:
                self._delivered[job].append(value)

    def missing(self) -> int:
        """How many acknowledged jobs have not been delivered."""
        with self._lock:
            return len(self.acknowledged.keys() - self._delivered.keys())

    def longest_pause_seconds(self, since: float | None = None) -> float:
        """The longest time without an acknowledgement: from this moment of the monotonic clock
        until now, or between the first and the last."""
        with self._lock:
            times = list(self._times)
        if since is not None:
            times = [since, *(at for at in times if at > since), time.monotonic()]
        return max((later - earlier for earlier, later in pairwise(times)), default=0.0)

    def judge(self, value: Callable[[Expected], str]) -> Judgement:
        """Every acknowledged job must have been delivered, once, with this value."""
        with self._lock:
            lost = wrong = 0
            for job, expected in self.acknowledged.items():
                came = set(self._delivered.get(job, ()))
                lost += not came
                wrong += bool(came) and came != {value(expected)}
            twice = sum(len(values) > 1 for values in self._delivered.values())
            return Judgement(len(self.acknowledged) - wrong - lost, wrong, lost, twice)

    def outcome(self, value: Callable[[Expected], str]) -> Outcome:
        """The judgement and all counts."""
        return Outcome(
            acknowledged=len(self.acknowledged),
            judgement=self.judge(value),
            sent=dict(self._sent),
            failed=dict(self._failed),
            longest_pause_seconds=self.longest_pause_seconds(),
        )
