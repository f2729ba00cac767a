"""Answers that count only once they have arrived: pulled results and granted leases.

Results of the compatible pull are taken under a receipt that its caller never sees. The receipt
is acknowledged when the answer is with the caller's machine, and returned when the caller turns
out to be gone; leases of a worker that is gone are handed back. Both are done here, in batches,
so that no answer waits for it. An endpoint that dies in between has told nobody: what it had
handed out comes back when the receipt lapses, so a result may then come twice, and is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Final, NamedTuple

from workmill.domain.errors import StoreUnavailable, WorkmillError
from workmill.domain.job import Acknowledgement, Lease, Release, Verdict
from workmill.endpoint.committer import Committer
from workmill.endpoint.exchange import Line

LOOK_SECONDS: Final = 0.01
"""How often it is looked what has arrived, while something is on its way."""
ARRIVAL_SECONDS: Final = 30.0
"""A caller that has not taken its answer by then is cut off, so that it surely never does."""
RECEIPT_SECONDS: Final = 60.0
"""Of the compatible pull. Longer than an answer may take to arrive."""
PULL_HOLD_SECONDS: Final = 0.1
"""A proxy takes an answer for a caller that hung up while it was made. It finds that out when it
passes a first piece on, is refused, and has another one; then it hangs up, too, if the answer is
not whole yet. So a late answer goes in three pieces, this long apart: longer than a caller's
machine, however far, needs to refuse what comes."""
LEASE_HOLD_SECONDS: Final = 0.02
"""The same of a worker, which is near; every idle one is answered late, and its job waits."""
HURRIED: Final = 16
"""At how many of the latest answers it is looked before a question about results."""
MAX_UNSETTLED: Final = 100_000
"""Receipts and leases that a store which does not answer keeps waiting; others run out."""


class _Watched(NamedTuple):
    line: Line
    on_arrival: Callable[[bool], None]
    until: float


class Deliveries:
    """What is on its way, and what the store is still to be told about what was."""

    def __init__(self, committer: Committer, on_released: Callable[[int], None]) -> None:
        """`on_released` is told how many jobs were handed back."""
        self._committer = committer
        self._on_released = on_released
        self._under_way: list[_Watched] = []
        self._words: list[Acknowledgement] = []
        self._releases: list[Release] = []
        self._telling: set[asyncio.Future[None]] = set()
        self._some = asyncio.Event()

    def watch(self, line: Line, on_arrival: Callable[[bool], None]) -> None:
        """An answer is being written; `on_arrival` is told once whether it has arrived."""
        line.watch()
        until = asyncio.get_running_loop().time() + ARRIVAL_SECONDS
        self._under_way.append(_Watched(line, on_arrival, until))
        self._some.set()

    def settled_by(self, receipt: bytes) -> Callable[[bool], None]:
        """What becomes of the results under this receipt."""
        return lambda arrived: self._words.append(
            Acknowledgement(receipt=receipt, returned=not arrived)
        )

    def returned_unless_arrived(self, receipt: bytes) -> Callable[[bool], None]:
        """Nobody holds a receipt that has not arrived: its results do not wait until it lapses."""
        return lambda arrived: (
            None if arrived else self._words.append(Acknowledgement(receipt=receipt, returned=True))
        )

    def released_unless_arrived(self, leases: Sequence[Lease]) -> Callable[[bool], None]:
        """No attempt is burnt for what no worker has heard of."""
        return lambda arrived: (
            None if arrived else self._releases.extend(one.unused() for one in leases)
        )

    def hand_back(self, releases: Sequence[Release]) -> None:
        """These jobs are in nobody's hands."""
        if releases:
            self._releases.extend(releases)
            self._some.set()

    async def run(self) -> None:
        """Look after all of it until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(LOOK_SECONDS)
            self._look(self._under_way)
            self._tell_store()
            await asyncio.gather(*self._telling)
            if not (self._under_way or self._words or self._releases):
                self._some.clear()

    def hurry(self) -> None:
        """Somebody is about to ask the store about results: what has arrived of late is told to it
        before, in the same group."""
        if self._under_way:
            self._look(self._under_way[-HURRIED:])
            self._tell_store()

    async def settle(self) -> None:
        """The endpoint ends: tell the store what is known."""
        self._look(self._under_way)
        self._tell_store()
        await asyncio.gather(*self._telling)

    def _look(self, some: Sequence[_Watched]) -> None:
        now = asyncio.get_running_loop().time()
        known = set()
        for one in some:
            arrived = one.line.arrived()
            if arrived is None and now < one.until:
                continue
            known.add(id(one))
            if arrived is None:
                one.line.give_up()
            one.on_arrival(bool(arrived))
            one.line.unwatch()
        if known:
            self._under_way = [one for one in self._under_way if id(one) not in known]

    def _tell_store(self) -> None:
        if self._words:
            words, self._words = self._words, []
            self._begin(self._acknowledge(words, self._committer.acknowledge(words)))
        if self._releases:
            releases, self._releases = self._releases, []
            self._begin(self._release(releases, self._committer.work("release", releases)))

    def _begin(self, telling: Coroutine[Any, Any, None]) -> None:
        task = asyncio.ensure_future(telling)
        self._telling.add(task)
        task.add_done_callback(self._telling.discard)

    async def _acknowledge(self, words: list[Acknowledgement], told: Awaitable[list[int]]) -> None:
        """Words that the store did not confirm are said again: that is harmless."""
        try:
            await told
        except StoreUnavailable:
            self._words = [*words, *self._words][-MAX_UNSETTLED:]
        except WorkmillError:
            pass  # logged where it came from; the receipts lapse

    async def _release(self, releases: list[Release], told: Awaitable[list[Verdict]]) -> None:
        try:
            await told
        except StoreUnavailable:
            self._releases = [*releases, *self._releases][-MAX_UNSETTLED:]
        except WorkmillError:
            pass  # the leases run out
        else:
            self._on_released(len(releases))
