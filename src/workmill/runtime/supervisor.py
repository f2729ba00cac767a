"""One endpoint and its workers as a whole: start, replace the dead, drain in order.

Theory. The supervisor holds the listening socket and a lifeline to each child, and nothing
else: no state of the service is in it. Each child sits in a slot, a task that starts a
process, waits for its end, asks the policy (`restarts`) how long to wait, and starts the
next one. Draining ends the slots first, then the workers, which hand their work back to
an endpoint that still runs, then the endpoint.
"""

from __future__ import annotations

import asyncio
import random
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

from workmill.runtime.lifeline import GRACE_SECONDS
from workmill.runtime.processes import Command, LocalProcess, LocalProcesses
from workmill.runtime.restarts import after_death
from workmill.telemetry import emit

EXIT_DRAINED: Final = 0
EXIT_FAILED: Final = 1
"""The endpoint never became ready, or something had to be ended by force."""
EXIT_KILLED: Final = 130
"""A second Ctrl-C cut the drain short (128 + SIGINT, as shells count)."""

_STOP_SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Supervisor:
    """Keeps one process per command alive from `run` until a stop signal."""

    def __init__(
        self,
        endpoint: Command,
        workers: list[Command],
        tend: Callable[[LocalProcesses], Coroutine[Any, Any, None]] | None = None,
    ) -> None:
        """`tend` looks after further processes until it is cancelled, when the drain begins."""
        self._endpoint = endpoint
        self._workers = workers
        self._tend = tend
        self._processes = LocalProcesses()
        self._drain = asyncio.Event()
        self._kill = asyncio.Event()
        self._forced = False

    async def run(
        self, until_ready: Callable[[], Awaitable[None]], announce: Callable[[], None]
    ) -> int:
        """Start everything, `announce` once the endpoint is ready, return the exit code."""
        loop = asyncio.get_running_loop()
        for number in _STOP_SIGNALS:
            loop.add_signal_handler(number, self._on_stop_signal)
        try:
            return await self._run(until_ready, announce)
        finally:
            await self._processes.kill()
            for number in _STOP_SIGNALS:
                loop.remove_signal_handler(number)

    async def _run(
        self, until_ready: Callable[[], Awaitable[None]], announce: Callable[[], None]
    ) -> int:
        first = await self._processes.start(self._endpoint)
        won = await _first_of(
            ready=until_ready(), ended=self._processes.ended(first), drain=self._drain.wait()
        )
        if won == "ended":
            emit("up.failed", level="error", detail="the endpoint ended before it was ready")
            return EXIT_FAILED
        if won == "ready":
            slots = [asyncio.create_task(self._keep(self._endpoint, first))]
            slots += [asyncio.create_task(self._keep(command)) for command in self._workers]
            if self._tend:
                slots.append(asyncio.create_task(self._tend(self._processes)))
            announce()
            await self._drain.wait()
            for slot in slots:
                slot.cancel()
            await asyncio.gather(*slots, return_exceptions=True)
        emit("up.draining", processes=len(self._processes.list()))
        drained = await _first_of(drained=self._drain_all(), killed=self._kill.wait())
        if drained == "killed":
            return EXIT_KILLED
        emit("up.drained")
        return EXIT_DRAINED if not self._forced else EXIT_FAILED

    async def _keep(self, command: Command, process: LocalProcess | None = None) -> None:
        """Fill one slot for ever, beginning with `process` when it is there already."""
        early_deaths = 0
        while True:
            outcome, lived_seconds = await self._one_life(command, process)
            process = None
            early_deaths, delay_seconds = after_death(
                early_deaths,
                lived_seconds,
                random.random(),  # noqa: S311 - it spreads restarts, it hides nothing
            )
            emit(
                "process.died",
                level="warning",
                died_role=command.role,
                outcome=outcome,
                lived_seconds=round(lived_seconds, 3),
                restart_in_seconds=round(delay_seconds, 3),
            )
            await asyncio.sleep(delay_seconds)

    async def _one_life(self, command: Command, process: LocalProcess | None) -> tuple[str, float]:
        """Start a process unless one is given, and wait for its end: how it ended, how long
        it lived. A machine that cannot start one counts as a death at birth."""
        try:
            process = process or await self._processes.start(command)
        except OSError as error:
            return f"not started: {error}", 0.0
        code = await self._processes.ended(process)
        outcome = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return f"pid {process.pid}: {outcome}", process.lived_seconds

    async def _drain_all(self) -> None:
        """Workers first, together: they hand their work back to an endpoint that still runs."""
        for role in ("worker", "endpoint"):
            stops = [
                self._processes.stop(process, GRACE_SECONDS)
                for process in self._processes.list(role)
            ]
            if not all(await asyncio.gather(*stops)):
                self._forced = True

    def _on_stop_signal(self) -> None:
        if self._drain.is_set():
            self._kill.set()
        self._drain.set()


async def _first_of(**awaitables: Awaitable[object]) -> str:
    """The name of whichever ends first; the others are cancelled, an error of it is raised."""
    tasks = {asyncio.ensure_future(item): name for name, item in awaitables.items()}
    done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    for task in pending:
        task.cancel()
    await asyncio.gather(*pending, return_exceptions=True)
    first = next(iter(done))
    first.result()
    return tasks[first]
