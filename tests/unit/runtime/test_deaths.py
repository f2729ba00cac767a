"""What the log tells of a role that cannot be kept alive: once, and once when it can."""

from __future__ import annotations

import asyncio
import sys
from typing import Any

import pytest

from workmill.supervisor import deaths, restart_delay
from workmill.supervisor.deaths import Deaths
from workmill.supervisor.processes import Command, Death, LocalProcess, LocalProcesses
from workmill.telemetry import outage_log

OBEDIENT = Command("worker", (sys.executable, "-c", "import time; time.sleep(600)"))
EARLY = Death("not started: no more processes and threads are allowed here", 0.0)


class Log:
    """The events that were logged, and what each said."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, dict[str, Any]]] = []
        self.came = asyncio.Event()

    def emit(self, event: str, **said: Any) -> None:
        self.lines.append((event, said))
        self.came.set()

    def events(self) -> list[str]:
        return [event for event, _ in self.lines]

    async def until(self, event: str) -> None:
        while event not in self.events():
            self.came.clear()
            await self.came.wait()


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    told = Log()
    monkeypatch.setattr(deaths, "emit", told.emit)
    monkeypatch.setattr(outage_log, "emit", told.emit)
    monkeypatch.setattr(restart_delay, "USEFUL_SECONDS", 0.01)
    return told


async def test_two_early_deaths_in_a_row_are_told_once(log: Log) -> None:
    """With the reason of the last one; each death has a line of its own besides."""
    one = Deaths()
    for _ in range(4):
        one.after("worker", EARLY, 0.0)
    assert (
        log.events()
        == ["process.died", "process.died", "process.cannot_live"] + ["process.died"] * 2
    )
    (_, said) = log.lines[2]
    assert said["died_role"] == "worker"
    assert "2 times in a row, the last time: not started: no more processes" in said["detail"]


async def test_single_early_deaths_are_not_told_so(log: Log) -> None:
    """A kill now and then, with useful lives between: that is what restarts are for."""
    one = Deaths()
    for _ in range(4):
        one.after("worker", EARLY, 0.0)
        one.after("worker", Death("pid 7: killed", 60.0), 60.0)
    assert set(log.events()) == {"process.died"}


async def test_a_process_that_lives_ends_the_trouble(log: Log) -> None:
    """However long ago the last death was; one that has died since does not."""
    processes, one = LocalProcesses(), Deaths()
    gone = await processes.start(OBEDIENT)
    one.after("worker", EARLY, 0.0)
    one.after("worker", EARLY, 0.0)
    gone.kill_group()
    await processes.ended(gone)
    one.born(gone)  # it is looked at after its end, however busy the machine
    looked = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * restart_delay.USEFUL_SECONDS, looked.set)
    await looked.wait()
    assert "process.lives" not in log.events()
    lives: LocalProcess = await processes.start(OBEDIENT)
    one.born(lives)
    await log.until("process.lives")
    await processes.kill()
