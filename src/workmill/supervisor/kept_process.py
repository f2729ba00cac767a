"""One slot of a stage: a process of its command, for as long as the slot is kept.

A death is followed by the next life as the policy says (`restart_delay`). An end that was asked for
(`renew`) is none, and is followed at once.

While an endpoint is not there its callers wait in the queue of the listening socket, which the
supervisor holds. After one death that is a moment; from the second early one on they are answered
between two lives (`endpoint.stand_in`).
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable

from workmill.domain.errors import StoreLost, Unavailable
from workmill.endpoint.stand_in import StandIn
from workmill.supervisor.deaths import TOLD_FROM_DEATHS, Deaths
from workmill.supervisor.processes import Command, Death, LocalProcess, LocalProcesses
from workmill.telemetry.error_text import error_text


class Slot:
    """Keeps one process of `command` alive among `processes`."""

    def __init__(self, command: Command, processes: LocalProcesses) -> None:
        self.command = command
        self._processes = processes
        self._process: LocalProcess | None = None
        self._deaths = Deaths()
        self._told = False
        """Whether the end of this process was asked for."""
        self._born = asyncio.Condition()
        fd = command.listen_fd
        self._stand_in = None if fd is None else StandIn(fd)

    @property
    def pid(self) -> int | None:
        """Of the process that is there now."""
        return self._process.pid if self._process else None

    async def keep(self, may_go_on: Callable[[Death], bool]) -> None:
        """Fill the slot for ever, or until a death of which `may_go_on` says no."""
        try:
            await self._keep(may_go_on)
        finally:
            if self._stand_in is not None:
                self._stand_in.close()

    async def _keep(self, may_go_on: Callable[[Death], bool]) -> None:
        while True:
            death = await self._one_life()
            if self._told:
                self._told = False
                self.command = self.command.after_service()
                continue
            if not may_go_on(death):
                return
            self.command = self.command.after_service()
            await self._rest(self._deaths.after(self.command.role, death, _useful_seconds(death)))

    async def _rest(self, delay_seconds: float) -> None:
        """Wait for the time of the next start; callers are told when that is, if it matters."""
        early_deaths = self._deaths.early
        if self._stand_in is None or early_deaths < TOLD_FROM_DEATHS:
            await asyncio.sleep(delay_seconds)
            return
        starts_at = time.monotonic() + delay_seconds

        def error() -> Unavailable:
            return _not_there(early_deaths, starts_at - time.monotonic())

        with self._stand_in.answering(error):
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
        self._deaths.born(process)
        async with self._born:
            self._process = process
            self._born.notify_all()
        death = await self._processes.death(process)
        self._process = None
        return death


def _useful_seconds(death: Death) -> float:
    """None of a process that refused to start, however long it waited for its store before."""
    refused = death.refusal is not None and not isinstance(death.refusal, StoreLost)
    return 0.0 if refused else death.lived_seconds


def _not_there(early_deaths: int, next_start_seconds: float) -> Unavailable:
    """What a caller is told. The reason is for whoever may read the log: it names files and
    addresses, and callers have not shown a key here."""
    whole_seconds = max(1, math.ceil(next_start_seconds))
    return Unavailable(
        f"The endpoint of this service has ended {early_deaths} times in a row soon after its "
        f"start, and is started again in {whole_seconds} s. Nothing was changed. Why it ends "
        "stands in the service's log (process.died).",
        retry_after_seconds=whole_seconds,
    )
