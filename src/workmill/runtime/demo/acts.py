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

from workmill.domain.errors import WaitTimeout
from workmill.runtime.demo.check import Work, wrong_values

if TYPE_CHECKING:
    from workmill import Client
    from workmill.client import Handle
    from workmill.wire.messages import JobView

LOOK_SECONDS: Final = 0.1
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
        self._files = files
        self._data = [file.read_bytes() for file in files]
        self._iterations = iterations
        self._alone = alone
        self._works: dict[str, Work] = {}
        self._values: dict[Work, bytes] = {}
        self._asked = 0
        self._broken = 0

    def run(self) -> Verdict:
        """Play all acts, then check every value against hashlib."""
        before = self._computed()
        self._real_files()
        self._known_work()
        self._longer_work()
        self._crowd()
        computed = self._computed() - before
        self._show.act(f"Check {len(self._values)} different values against hashlib")
        start = time.monotonic()
        wrong = wrong_values(self._values)
        took = time.monotonic() - start
        self._claim(f"every value is right (hashlib took {took:.1f} s)", holds=not wrong)
        return Verdict(
            right=not self._broken,
            values_checked=len(self._values),
            values_wrong=len(wrong),
            claims_broken=self._broken,
            iterations_asked=self._asked,
            iterations_computed=computed if self._alone else None,
        )

    def _real_files(self) -> None:
        count = len(self._files)
        self._show.act(f"{count} files of this machine, {self._iterations:,} iterations each")
        start = time.monotonic()
        handles = self._submit(self._data, self._iterations)
        self._follow([file.name for file in self._files], handles)
        took = time.monotonic() - start
        rate = count * self._iterations / took
        self._claim(f"all done in {took:.1f} s ({rate:,.0f} iterations/s)", holds=True)

    def _known_work(self) -> None:
        self._show.act("The same files again: known work")
        before, start = self._computed(), time.monotonic()
        handles = self._submit(self._data, self._iterations)
        took = time.monotonic() - start
        instantly = all(handle.known() is not None for handle in handles)
        self._claim(
            f"every value was in the reply to its submit ({took * 1000:.0f} ms)", holds=instantly
        )
        self._counted(before, 0)
        self._follow([file.name for file in self._files], handles)

    def _longer_work(self) -> None:
        more = self._iterations + self._iterations // 2
        self._show.act(f"One of them with {more:,} iterations: its first part is known")
        before = self._computed()
        self._follow([self._files[0].name], self._submit(self._data[:1], more))
        self._counted(before, more - self._iterations)

    def _crowd(self) -> None:
        self._show.act(f"{CROWD} submits of one new work at once: single-flight")
        before = self._computed()
        data = b"workmill demo %d" % time.time_ns()
        handles = self._submit([data] * CROWD, self._iterations)
        self._follow(["the same for all"], handles[:1])
        values = {handle.result() for handle in handles}
        ids = {handle.id for handle in handles}
        self._claim(
            f"{len(ids)} ids of their own, one value", holds=len(ids) == CROWD and len(values) == 1
        )
        self._counted(before, self._iterations - 1)

    def _submit(self, data: Sequence[bytes], iterations: int) -> list[Handle]:
        handles = list(self._client.submit_many(data, iterations))
        self._asked += iterations * len(handles)
        for one, handle in zip(data, handles, strict=True):
            self._works[handle.id] = (one, iterations)
        return handles

    def _follow(self, names: Sequence[str], handles: Sequence[Handle]) -> None:
        """Show the jobs until all have ended, and keep their values to be checked."""
        while True:
            jobs = [self._client.job(handle.id) for handle in handles]
            self._show.progress(names, jobs)
            waiting = [job.id for job in jobs if job.ended_at_ms is None]
            if not waiting:
                break
            with suppress(WaitTimeout):
                self._client.result(waiting[-1], timeout_seconds=LOOK_SECONDS)
        for handle in handles:
            self._values[self._works[handle.id]] = handle.result()

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
