"""Stages of processes as a whole: start in order, replace the dead, drain in reverse.

Theory. The supervisor holds a lifeline to each child, and nothing else: no state of the service is
in it. A stage is what is started together: commands, each kept alive in a slot (`kept_process`), or
a coroutine that tends further processes, and a readiness that the next stage waits for. Whoever
comes later needs who came earlier, so the drain goes the other way, and the earlier ones are kept
alive until it is their turn: workers hand their work back to an endpoint that still runs.
"""

from __future__ import annotations

import asyncio
import random
import signal
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from workmill.domain.errors import Unavailable, WorkmillError
from workmill.process.child_watcher import wait_without_threads
from workmill.process.entry import StopWishes, stop_signals
from workmill.process.init import leave_orphans
from workmill.supervisor.kept_process import Slot
from workmill.supervisor.lifeline import GRACE_SECONDS
from workmill.supervisor.processes import Command, Death, LocalProcesses
from workmill.supervisor.restart_delay import after_death
from workmill.telemetry import emit
from workmill.telemetry.outage_log import Incident

EXIT_DRAINED: Final = 0
EXIT_FAILED: Final = 1
"""Something had to be ended by force."""
EXIT_KILLED: Final = 130
"""A second Ctrl-C cut the drain short (128 + SIGINT, as shells count)."""
LONG_SECONDS: Final = 10.0
"""A stage that is not ready by then keeps a person waiting."""

Tend: TypeAlias = Callable[[LocalProcesses], Coroutine[Any, Any, None]]


async def _at_once() -> None:
    """Nothing to wait for."""


@dataclass(frozen=True, kw_only=True)
class Stage:
    """What is started together. `tend` looks after further processes, which it starts among those
    that it is given, until it is cancelled: when the drain of the stage begins. When it fails it is
    begun again."""

    commands: Sequence[Command] = ()
    tend: Tend | None = None
    until_ready: Callable[[], Awaitable[object]] = _at_once
    waits_for: str = ""
    """What `until_ready` waits for, in words for a person, when it takes long."""


class Supervisor:
    """Keeps the processes of all stages alive from `run` until a stop signal."""

    def __init__(self, stages: Sequence[Stage]) -> None:
        self._stages = stages
        self._running: list[_Running] = []
        self._wishes = StopWishes()
        self._drain = asyncio.Event()
        self._kill = asyncio.Event()

    async def run(self, announce: Callable[[], None]) -> int:
        """Start everything, `announce` once all is ready, return the exit code. Raises what a
        process said that cannot start, or Unavailable when it said nothing."""
        leave_orphans()
        wait_without_threads()
        loop, numbers = asyncio.get_running_loop(), stop_signals()
        for number in numbers:
            loop.add_signal_handler(number, self._on_stop_signal, number)
        try:
            return await self._run(announce)
        finally:
            for running in reversed(self._running):
                await running.kill()
            for number in numbers:
                loop.remove_signal_handler(number)

    def slot(self, role: str) -> Slot:
        """The slot that the command of this role is kept in."""
        slots = [slot for running in self._running for slot in running.slots]
        return next(slot for slot in slots if slot.command.role == role)

    def _commands(self) -> list[Command]:
        return [slot.command for running in self._running for slot in running.slots]

    async def _run(self, announce: Callable[[], None]) -> int:
        failure = await self._start()
        if failure is None:
            if not self._drain.is_set():
                announce()
            await self._drain.wait()
            emit("up.draining", processes=sum(running.count for running in self._running))
        drained = asyncio.ensure_future(self._drain_all())
        if await _first_of(drained=drained, killed=self._kill.wait()) == "killed":
            return EXIT_KILLED
        if failure is not None:
            raise failure
        emit("up.drained")
        return EXIT_DRAINED if drained.result() else EXIT_FAILED

    async def _start(self) -> WorkmillError | None:
        """Start stage after stage, unless it is not wanted any more. Why one failed."""
        for stage in self._stages:
            running = _Running(stage)
            self._running.append(running)
            running.start()
            won = await _first_of(
                ready=_told_if_long(stage, self._commands()),
                failed=running.failed(),
                drain=self._drain.wait(),
            )
            if won == "failed":
                return running.failure
            if won == "drain":
                return None
            running.ready = True
        return None

    async def _drain_all(self) -> bool:
        """The latest stage first, its processes together; whether nobody had to be forced."""
        orderly = [await running.drain() for running in reversed(self._running)]
        return all(orderly)

    def _on_stop_signal(self, number: signal.Signals) -> None:
        if not self._wishes.heeds(number):
            return
        if self._drain.is_set():
            self._kill.set()
        self._drain.set()


class _Running:
    """A stage that was started."""

    def __init__(self, stage: Stage) -> None:
        self.ready = stage.until_ready is _at_once  # then no death comes before it
        self._stage = stage
        self._processes = LocalProcesses()
        self.slots = [Slot(command, self._processes) for command in stage.commands]
        self._tasks: list[asyncio.Task[None]] = []
        self._failed = asyncio.Event()
        self.failure: WorkmillError | None = None
        """Why a process of it ended before the stage was ready."""

    @property
    def count(self) -> int:
        return len(self._processes.list())

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._keep(slot)) for slot in self.slots]
        if self._stage.tend:
            self._tasks.append(asyncio.create_task(self._tend(self._stage.tend)))

    async def _tend(self, tend: Tend) -> None:
        """As with a process: what fails is said and begun again, and more slowly each time."""
        failures = 0
        while True:
            begun_at = time.monotonic()
            try:
                return await tend(self._processes)
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it
                lived_seconds, dice = time.monotonic() - begun_at, random.random()  # noqa: S311
                failures, delay_seconds = after_death(failures, lived_seconds, dice)
                emit(
                    "up.tending_failed",
                    level="error",
                    error=repr(error)[:500],
                    restart_in_seconds=round(delay_seconds, 3),
                )
                await asyncio.sleep(delay_seconds)

    async def _keep(self, slot: Slot) -> None:
        """Before the stage is ready a death is no accident: whoever started it hears of it."""

        def may_go_on(death: Death) -> bool:
            if not self.ready and self.failure is None:
                self.failure = death.refusal or _ended_early(slot.command, death)
                self._failed.set()
            return self.ready

        await slot.keep(may_go_on)

    async def failed(self) -> None:
        """Return if one of its processes ends before the stage is ready."""
        await self._failed.wait()

    async def drain(self) -> bool:
        """Let all its processes drain; whether each did so within its grace."""
        await self._processes.close()
        await self._let_go()
        stops = [self._processes.stop(one, GRACE_SECONDS) for one in self._processes.list()]
        return all(await asyncio.gather(*stops))

    async def kill(self) -> None:
        await self._processes.close()
        await self._let_go()
        await self._processes.kill()

    async def _let_go(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


def _ended_early(command: Command, death: Death) -> Unavailable:
    where = f"in {command.log}" if command.log else "above"
    return Unavailable(
        f"The {command.role} ended before it was ready ({death.outcome}). What was started has "
        f"ended again, and what is stored is kept. What it said stands {where}."
    )


async def _told_if_long(stage: Stage, started: Sequence[Command]) -> None:
    """Wait until the stage is ready. Whoever started it is told once what it waits for, when that
    takes long, and when it is over. What is in the way may be any of what was started so far."""
    ready = asyncio.ensure_future(stage.until_ready())
    told = Incident("up.held_up", "up.went_on")
    try:
        await asyncio.wait([ready], timeout=LONG_SECONDS)
        if not ready.done():
            told.failed(detail=_waiting(stage, started))
        await ready
        told.succeeded()
    finally:
        ready.cancel()


def _waiting(stage: Stage, started: Sequence[Command]) -> str:
    what = stage.waits_for or ", ".join(command.role for command in stage.commands)
    logs = sorted({str(command.log.parent) for command in started if command.log})
    where = " and in ".join(["the lines of this log (process.died)", *logs])
    return (
        f"Waiting for {what}, for {LONG_SECONDS:.0f} s now, and for as long as it takes. Why it "
        f"takes so long stands in {where}. Ctrl-C ends it; what is stored is kept."
    )


async def _first_of(**awaitables: Awaitable[object]) -> str:
    """The name of whichever ends first; the others are cancelled, an error of it is raised."""
    tasks = {asyncio.ensure_future(item): name for name, item in awaitables.items()}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    first = next(task for task in tasks if task in done)
    first.result()
    return tasks[first]
