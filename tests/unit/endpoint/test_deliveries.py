"""Answers of which nobody says whether they have arrived."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, cast

import pytest

from workmill.domain.errors import StoreUnavailable, WorkmillError
from workmill.domain.job import Acknowledgement, Lease, Release, Verdict
from workmill.endpoint import deliveries
from workmill.endpoint.committer import Committer
from workmill.endpoint.deliveries import Deliveries
from workmill.endpoint.exchange import Line

LEASE = Lease(id=bytes(16), token=3, workload="sha512", total=9, done=2, state=bytes(64))


class Caller:
    """One whose machine says nothing, or at last something."""

    def __init__(self) -> None:
        self.said: bool | None = None
        self.given_up = False
        self.watched = 0

    def watch(self) -> None:
        self.watched += 1

    def unwatch(self) -> None:
        self.watched -= 1

    def arrived(self) -> bool | None:
        return self.said

    def give_up(self) -> None:
        self.given_up = True


class Store(Committer):
    """Takes words, or fails with the errors that are put there."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self.errors: list[WorkmillError] = []

    async def _hear(self, items: Sequence[object]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.told += items

    async def acknowledge(self, items: Sequence[Acknowledgement]) -> list[int]:
        await self._hear(items)
        return [1] * len(items)

    async def work(self, verb: str, items: Sequence[Any]) -> list[Verdict]:
        assert verb == "release"
        await self._hear(items)
        return [Verdict.APPLIED] * len(items)


class Scene:
    """One answer with a lease in it, and one with results under a receipt."""

    def __init__(self) -> None:
        self.store = Store()
        self.released = 0
        self.all = Deliveries(self.store, self._count)
        self.results, self.work = Caller(), Caller()
        self.all.watch(cast("Line", self.results), self.all.settled_by(b"receipt"))
        self.all.watch(cast("Line", self.work), self.all.released_unless_arrived([LEASE]))

    def _count(self, jobs: int) -> None:
        self.released += jobs


BACK = Acknowledgement(receipt=b"receipt", returned=True)
FREED = Release(id=LEASE.id, token=3, done=2, state=LEASE.state)


async def test_who_takes_nothing_is_cut_off_and_has_got_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Its time is bounded, and only once it surely never gets them others may have them."""
    scene = Scene()
    await scene.all.settle()
    assert not scene.results.given_up
    assert scene.store.told == []
    monkeypatch.setattr(deliveries, "ARRIVAL_SECONDS", 0.0)
    late = Caller()
    scene.all.watch(cast("Line", late), scene.all.settled_by(b"receipt"))
    await scene.all.settle()
    assert (late.given_up, late.watched) == (True, 0)
    assert not scene.results.given_up
    assert scene.store.told == [BACK]


async def test_what_the_store_did_not_confirm_is_said_again() -> None:
    """And what it refuses is not: receipts lapse, leases run out."""
    scene = Scene()
    scene.results.said = scene.work.said = False
    scene.store.errors = [StoreUnavailable("away"), StoreUnavailable("away")]
    await scene.all.settle()
    assert (scene.store.told, scene.released) == ([], 0)
    await scene.all.settle()
    assert (scene.store.told, scene.released) == ([BACK, FREED], 1)
    again = Scene()
    again.results.said = again.work.said = False
    again.store.errors = [WorkmillError("no"), WorkmillError("no")]
    for _ in range(2):
        await again.all.settle()
    assert (again.store.told, again.released) == ([], 0)


async def test_what_waits_for_a_store_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The latest are kept."""
    monkeypatch.setattr(deliveries, "MAX_UNSETTLED", 2)
    scene = Scene()
    for number in range(4):
        caller = Caller()
        caller.said = True
        scene.all.watch(cast("Line", caller), scene.all.settled_by(b"%d" % number))
        scene.store.errors = [StoreUnavailable("away")]
        await scene.all.settle()
    await scene.all.settle()
    kept = [one.receipt for one in scene.store.told if isinstance(one, Acknowledgement)]
    assert len(kept) == 2


async def test_it_is_looked_before_somebody_asks_for_results() -> None:
    """Whoever has just got his, and asks for more on another connection, finds no old ones."""
    scene = Scene()
    scene.results.said = scene.work.said = True
    scene.all.hurry()
    await asyncio.sleep(0)
    assert scene.store.told == [Acknowledgement(receipt=b"receipt", returned=False)]
    await scene.all.settle()
