"""A reading is asked for by its age, and has one from the moment before the store was asked."""

from __future__ import annotations

import asyncio

import pytest

from workmill.domain.cost import Fleet
from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import COUNTERS, Node, Stats
from workmill.domain.limits import READING_SECONDS
from workmill.domain.queue_profile import QueueProfile
from workmill.endpoint.committer import Committer
from workmill.endpoint.stats_poller import Pulse
from workmill.endpoint.stats_reading import Reading

STATS = Stats(jobs={}, oldest_queued_at_ms=None, **dict.fromkeys(COUNTERS, 0))  # type: ignore[arg-type]


class Store(Committer):
    """Answers at once, or fails."""

    def __init__(self) -> None:
        self.away = False

    async def stats(self) -> Stats:
        if self.away:
            raise StoreUnavailable("away")
        return STATS

    async def nodes(self) -> list[Node]:
        return []

    async def queue_profile(self) -> QueueProfile:
        return QueueProfile()


def test_a_reading_is_there_for_its_time_and_no_longer() -> None:
    """It is not made younger by a read that fails, and the next one replaces it."""
    now = 100.0
    pulse, store = Pulse(lambda: now), Store()
    assert (pulse.latest(), pulse.age_seconds) == (None, None)
    asyncio.run(pulse.read(store))
    now += READING_SECONDS
    assert pulse.latest() is not None
    store.away = True
    asyncio.run(pulse.read(store))
    assert (pulse.healthy, pulse.age_seconds) == (False, READING_SECONDS)
    now += 0.1
    assert pulse.latest() is None
    with pytest.raises(StoreUnavailable):
        asyncio.run(pulse.read_now(store))
    store.away = False
    asyncio.run(pulse.read(store))
    assert (pulse.healthy, pulse.age_seconds) == (True, 0.0)


class Slow(Store):
    """Answers when it is let, after which the clock stands later than it did."""

    def __init__(self) -> None:
        super().__init__()
        self.go = asyncio.Event()
        self.asked = asyncio.Event()

    async def stats(self) -> Stats:
        self.asked.set()
        await self.go.wait()
        return STATS


async def test_a_reading_is_as_old_as_its_question() -> None:
    """A store that takes long shows what was; and what it shows late replaces nothing newer."""
    now = 100.0
    pulse, slow = Pulse(lambda: now), Slow()
    late = asyncio.create_task(pulse.read(slow))
    await slow.asked.wait()
    now += 3.0
    slow.go.set()
    await late
    assert pulse.age_seconds == 3.0
    slow = Slow()
    late = asyncio.create_task(pulse.read(slow))
    await slow.asked.wait()
    now += 2.0
    await pulse.read(Store())
    slow.go.set()
    await late
    assert pulse.age_seconds == 0.0


def _worker(rate_hz: float, slots: int, *, draining: bool = False, role: str = "worker") -> Node:
    return Node(
        incarnation="n",
        role=role,
        host="h",
        pid=1,
        version="0",
        rate_hz=rate_hz,
        slots=slots,
        draining=draining,
    )


def test_who_drains_or_has_no_rate_yet_is_not_counted_on() -> None:
    """Predictions are made from the lanes whose rate is known."""
    nodes = [
        _worker(100.0, 8),
        _worker(50.0, 0),
        _worker(0.0, 16),
        _worker(900.0, 8, draining=True),
        _worker(7.0, 7, role="endpoint"),
    ]
    reading = Reading(stats=STATS, nodes=nodes, profile=QueueProfile(), taken_at=0.0)
    assert (reading.fleet, reading.workers) == (Fleet(150.0, 9), 4)
