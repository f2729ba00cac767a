"""One slot of a stage: a process of its command, for as long as the slot is kept.

A death is followed by the next life as the policy says (`restarts`). An end that was asked for
(`renew`) is none, and is followed at once.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

from workmill.runtime.processes import Command, Death, LocalProcess, LocalProcesses
from workmill.runtime.restarts import after_death
from workmill.telemetry import emit
from workmill.telemetry.error_text import error_text


class Slot:
    """Keeps one process of `command` alive among `processes`."""

    def __init__(self, command: Command, processes: LocalProcesses) -> None:
        self.command = command
        self._processes = processes
        self._process: LocalProcess | None = None
        self._told = False
        """Whether the end of this process was asked for."""
        self._born = asyncio.Condition()

    @property
    def pid(self) -> int | None:
        """Of the process that is there now."""
        return self._process.pid if self._process else None

    async def keep(self, may_go_on: Callable[[Death], bool]) -> None:
        """Fill the slot for ever, or until a death of which `may_go_on` says no."""
        early_deaths = 0
        while True:
            death = await self._one_life()
            if self._told:
                self._told = False
                self.command = self.command.after_service()
                continue
            if not may_go_on(death):
                return
            self.command = self.command.after_service()
            early_deaths, delay_seconds = after_death(
                early_deaths,
                death.lived_seconds,
                random.random(),  # noqa: S311 - it spreads restarts, it hides nothing
            )
            emit(
                "process.died",
                level="warning",
                died_role=self.command.role,
                outcome=death.outcome,
                lived_seconds=round(death.lived_seconds, 3),
                restart_in_seconds=round(delay_seconds, 3),
            )
            await asyncio.sleep(delay_seconds)

    async def renew(self, grace_seconds: float) -> bool:
        """Let the process drain and return when the next one has started; whether it ended
        within its grace. If there is none just now, the next one is waited for."""
        before, drained = self._process, True
        if before is not None:
            self._told = True
            drained = await self._processes.stop(before, grace_seconds)
        async with self._born:
            await self._born.wait_for(lambda: self._process not in (None, before))
        return drained

    async def _one_life(self) -> Death:
        """Start a process and wait for its end. A machine that cannot start one counts as a death
        at birth."""
        try:
            process = await self._processes.start(self.command)
        except OSError as error:
            return Death(f"not started: {error_text(error)}", 0.0)
        async with self._born:
            self._process = process
            self._born.notify_all()
        death = await self._processes.death(process)
        self._process = None
        return death
