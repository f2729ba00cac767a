"""The play: what is submitted, what must come of it, and what the counters must say.

The counters are the service's own, and count for everybody: on a service that others use
too they prove nothing, so there only the values are judged.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

import msgspec

from workmill.client import Work as Item
from workmill.demo.reference_values import Work, are_right
from workmill.domain.errors import WaitTimeout

if TYPE_CHECKING:
    from workmill import Client
    from workmill.client import Handle
    from workmill.wire.messages import JobView

LOOK_SECONDS: Final = 0.1
FOLDED: Final = 1
"""The first iteration of all is made while the data comes in, and counts as nobody's work."""
CROWD: Final = 50
"""How many submit the same work at once in the last act."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """How the play ended."""

    right: bool
    values_checked: int
    values_wrong: int
    claims_broken: int
    iterations_asked: int
    iterations_computed: int | None
    """None on a service that others use too."""


class Show(Protocol):
    """Whoever presents the play."""

    def act(self, title: str) -> None:
        """A new act begins."""
        ...

    def progress(self, names: Sequence[str], jobs: Sequence[JobView]) -> None:
        """How far the jobs are; called often, and once more when all have ended."""
        ...

    def checked(self, done: int, total: int) -> None:
        """How many values hashlib has judged."""
        ...

    def claim(self, text: str, *, holds: bool | None) -> None:
        """Something that was promised, and whether it held; None when it cannot be told."""
        ...


class Play:
    """Four acts over one service; `alone` says that nobody else uses it."""

    def __init__(
        self, client: Client, show: Show, files: Sequence[Path], iterations: int, *, alone: bool
    ) -> None:
        self._client = client
        self._show = show
        self._names = [file.name for file in files]
        self._works = _spread([file.read_bytes() for file in files], iterations)
        self._iterations = iterations
        self._alone = alone
        self._work_of: dict[str, Work] = {}
        self._values: dict[Work, bytes] = {}
        self._broken = 0

    def run(self) -> Verdict:
        """Play all acts, then check every value against hashlib."""
        before = self._computed()
        self._real_files()
        self._known_work()
        self._longer_work()
        self._crowd()
        computed = self._computed() - before
        wrong = self._check()
        return Verdict(
            right=not self._broken,
            values_checked=len(self._values),
            values_wrong=wrong,
            claims_broken=self._broken,
            iterations_asked=sum(iterations for _, iterations in self._work_of.values()),
            iterations_computed=computed if self._alone else None,
        )

    def _real_files(self) -> None:
        self._show.act(
            f"{len(self._works)} files of this machine, up to {self._iterations:,} iterations each"
        )
        start = time.monotonic()
        self._follow(self._names, self._submit(self._works))
        took = time.monotonic() - start
        rate_hz = sum(iterations for _, iterations in self._works) / took
        self._claim(f"all done in {took:.1f} s, {rate_hz:,.0f} iterations/s", holds=True)

    def _known_work(self) -> None:
        self._show.act("The same files again: known work")
        before, start = self._computed(), time.monotonic()
        handles = self._submit(self._works)
        took = time.monotonic() - start
        instantly = all(handle.known() is not None for handle in handles)
        self._claim(
            f"every value was in the reply to its submit, after {took * 1000:.0f} ms",
            holds=instantly,
        )
        self._counted(before, 0)
        self._keep(handles)

    def _longer_work(self) -> None:
        data, known = self._works[-1]
        more = known + known // 2
        self._show.act(f"One of them again with {more:,} iterations: its first {known:,} are known")
        before = self._computed()
        self._follow(self._names[-1:], self._submit([(data, more)]))
        self._counted(before, more - known)

    def _crowd(self) -> None:
        self._show.act(f"{CROWD} submits of one new work at once: single-flight")
        before = self._computed()
        data = b"workmill demo %d" % time.time_ns()
        handles = self._submit([(data, self._iterations)] * CROWD)
        self._follow(["the same for all"], handles[:1])
        values = self._keep(handles)
        ids = {handle.id for handle in handles}
        self._claim(
            f"{len(ids)} ids of their own, one value", holds=len(ids) == CROWD and len(values) == 1
        )
        self._counted(before, self._iterations - FOLDED)

    def _check(self) -> int:
        """Compare with hashlib; how many values are wrong."""
        self._show.act(f"{len(self._values)} different values against hashlib")
        start = time.monotonic()
        judged = []
        for right in are_right(self._values):
            judged.append(right)
            self._show.checked(len(judged), len(self._values))
        took = time.monotonic() - start
        wrong = judged.count(False)
        self._claim(f"{len(judged) - wrong} are right; hashlib took {took:.1f} s", holds=not wrong)
        return wrong

    def _submit(self, works: Sequence[Work]) -> list[Handle]:
        items = [Item(data, iterations) for data, iterations in works]
        handles = list(self._client.submit_many(items))
        self._work_of.update(zip((handle.id for handle in handles), works, strict=True))
        return handles

    def _follow(self, names: Sequence[str], handles: Sequence[Handle]) -> None:
        """Show the jobs until all have ended."""
        while True:
            jobs = [self._client.job(handle.id) for handle in handles]
            self._show.progress(names, jobs)
            waiting = [job.id for job in jobs if job.ended_at_ms is None]
            if not waiting:
                break
            with suppress(WaitTimeout):
                self._client.result(waiting[-1], timeout_seconds=LOOK_SECONDS)
        self._keep(handles)

    def _keep(self, handles: Sequence[Handle]) -> set[bytes]:
        """Remember the values, to be checked; those that there are."""
        values = [handle.result() for handle in handles]
        works = (self._work_of[handle.id] for handle in handles)
        self._values.update(zip(works, values, strict=True))
        return set(values)

    def _counted(self, before: int, expected: int) -> None:
        computed = self._computed() - before
        self._claim(
            f"{computed:,} iterations computed for it",
            holds=computed == expected if self._alone else None,
        )

    def _claim(self, text: str, *, holds: bool | None) -> None:
        self._broken += holds is False
        self._show.claim(text, holds=holds)

    def _computed(self) -> int:
        return self._client.stats().stats.iterations_done_total


def _spread(data: Sequence[bytes], iterations: int) -> list[Work]:
    """From few iterations to all of them, so that the jobs end one after the other."""
    return [(one, max(2, iterations * n // len(data))) for n, one in enumerate(data, start=1)]
