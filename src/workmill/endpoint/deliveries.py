"""Answers that count only once they have arrived: pulled results and granted leases.

Results of the compatible pull are taken under a receipt that its caller never sees. The receipt
is acknowledged when the answer is with the caller's machine, and returned when the caller turns
out to be gone; leases of a worker that is gone are handed back. Both are done here, in batches,
so that no answer waits for it. An endpoint that dies in between has told nobody: what it had
handed out comes back when the receipt lapses, so a result may then come twice, and is never lost.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

from workmill.domain.errors import StoreUnavailable, WorkmillError
from workmill.domain.job import Acknowledgement, Lease, Release
from workmill.endpoint.committer import Committer
from workmill.endpoint.exchange import Line

LOOK_SECONDS: Final = 0.01
"""How often it is looked what has arrived, while something is on its way."""
ARRIVAL_SECONDS: Final = 30.0
"""A caller that has not taken its answer by then is cut off, so that it surely never does."""
RECEIPT_SECONDS: Final = 60.0
"""Of the compatible pull. Longer than an answer may take to arrive."""
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
        """Of a receipt that its holder acknowledges himself, if he ever hears of it."""
        return lambda arrived: (
            None if arrived else self._words.append(Acknowledgement(receipt=receipt, returned=True))
        )

    def released_unless_arrived(self, leases: Sequence[Lease]) -> Callable[[bool], None]:
        """No attempt is burnt for what no worker has heard of."""
        return lambda arrived: (
            None if arrived else self._releases.extend(one.unused() for one in leases)
        )

    async def run(self) -> None:
        """Look after all of it until cancelled."""
        while True:
            await self._some.wait()
            await asyncio.sleep(LOOK_SECONDS)
            self._look()
            await self._tell_store()
            if not (self._under_way or self._words or self._releases):
                self._some.clear()

    async def settle(self) -> None:
        """The endpoint ends: tell the store what is known."""
        self._look()
        await self._tell_store()

    def _look(self) -> None:
        now = asyncio.get_running_loop().time()
        left = []
        for one in self._under_way:
            arrived = one.line.arrived()
            if arrived is None and now < one.until:
                left.append(one)
                continue
            if arrived is None:
                one.line.give_up()
            one.on_arrival(bool(arrived))
            one.line.unwatch()
        self._under_way = left

    async def _tell_store(self) -> None:
        """Words that the store did not confirm are said again: that is harmless."""
        if self._words:
            words, self._words = self._words, []
            try:
                await self._committer.acknowledge(words)
            except StoreUnavailable:
                self._words = [*words, *self._words][-MAX_UNSETTLED:]
            except WorkmillError:
                pass  # logged where it came from; the receipts lapse
        if self._releases:
            releases, self._releases = self._releases, []
            try:
                await self._committer.work("release", releases)
            except StoreUnavailable:
                self._releases = [*releases, *self._releases][-MAX_UNSETTLED:]
            except WorkmillError:
                pass
            else:
                self._on_released(len(releases))
