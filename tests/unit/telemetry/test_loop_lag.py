"""How long a loop keeps its callbacks waiting, on a clock that the test moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from workmill.telemetry import loop_lag as module
from workmill.telemetry.loop_lag import TICK_SECONDS, LoopLag


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def lag(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopLag]:  # type: ignore[misc]
    monkeypatch.setattr(asyncio.get_running_loop(), "call_later", _at_once)
    measured = LoopLag(ticks=clock)
    yield measured
    measured.stop()


def _at_once(_seconds: float, callback: object) -> asyncio.Handle:
    """The next turn of the loop is when the time is over."""
    return asyncio.get_running_loop().call_soon(callback)  # type: ignore[arg-type]


async def test_a_loop_that_turns_has_no_lag(lag: LoopLag, clock: Clock) -> None:
    """What comes on time waited for nothing."""
    clock.now += TICK_SECONDS
    await asyncio.sleep(0)
    assert lag.take() == 0.0


async def test_the_longest_is_told_and_then_forgotten(lag: LoopLag, clock: Clock) -> None:
    """Each beat tells of its own time."""
    for late in (0.25, 2.0, 0.5):
        clock.now += TICK_SECONDS + late
        await asyncio.sleep(0)
    assert lag.take() == pytest.approx(2.0)
    assert lag.take() == 0.0


async def test_a_lag_that_lasts_is_told_already(lag: LoopLag, clock: Clock) -> None:
    """Who asks first after a long turn hears of it before the timer is served."""
    clock.now += TICK_SECONDS + 3.0
    assert lag.take() == pytest.approx(3.0)


async def test_it_ends(lag: LoopLag, clock: Clock) -> None:
    """No timer is left behind."""
    lag.stop()
    clock.now += TICK_SECONDS + 3.0
    await asyncio.sleep(0)
    assert lag._longest_seconds == 0.0
    assert module.TICK_SECONDS <= 0.1
