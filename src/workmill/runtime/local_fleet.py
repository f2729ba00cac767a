"""Workers of this machine as a fleet: the controller orders, the supervisor's processes are it.

A worker that keeps dying young is started again more and more slowly (`restarts`), whatever the
controller orders meanwhile: its next turn orders again.
"""

from __future__ import annotations

import asyncio
import random
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Sequence
from itertools import count
from typing import Any, Final

from workmill.controller.fleet import Fence, Member
from workmill.runtime.lifeline import GRACE_SECONDS
from workmill.runtime.processes import Command, LocalProcess, LocalProcesses
from workmill.runtime.restarts import after_death
from workmill.telemetry import emit

HOST: Final = socket.gethostname()
"""As workers name it in their beats."""


class _Place:
    """One worker from its order to its end."""

    def __init__(self, name: str, ordered_at: float) -> None:
        self.name, self.ordered_at = name, ordered_at
        self.process: LocalProcess | None = None
        self.stopping = False


class LocalFleet:
    """`controller.fleet.Fleet` over processes. For the loop's thread alone."""

    def __init__(
        self,
        processes: LocalProcesses,
        command: Command,
        *,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._processes, self._command, self._ticks = processes, command, ticks
        self._places: dict[str, _Place] = {}
        self._names = count(1)
        self._fence = Fence()
        self._early_deaths = 0
        self._not_before = float("-inf")
        self._tasks: set[asyncio.Task[Any]] = set()

    def list(self) -> Sequence[Member]:
        """See `Fleet.list`."""
        now = self._ticks()
        return [
            Member(
                name=place.name,
                host=HOST,
                pid=place.process.pid if place.process else 0,
                age_seconds=now - place.ordered_at,
                stopping=place.stopping,
            )
            for place in self._places.values()
        ]

    def start(self, count: int, token: int) -> None:
        """See `Fleet.start`. While workers die young, nothing is started before its time."""
        now = self._ticks()
        if not self._fence.admits(token) or now < self._not_before:
            return
        for _ in range(count):
            place = _Place(str(next(self._names)), now)
            self._places[place.name] = place
            self._do(self._live(place))

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        """See `Fleet.stop`. A drain that takes too long is ended by force."""
        place = self._places.get(member.name)
        if place is None or not self._fence.admits(token):
            return
        place.stopping = True
        if place.process is None:
            return  # it ends as soon as it is there
        if drain:
            self._do(self._processes.stop(place.process, GRACE_SECONDS))
        else:
            place.process.kill_group()

    def close(self) -> None:
        """Everybody is about to be told to go: their ends are no deaths."""
        for place in self._places.values():
            place.stopping = True

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, place: _Place) -> None:
        """One worker's life, and what its end means for the next start."""
        outcome, lived_seconds = await self._life(place)
        del self._places[place.name]
        if place.stopping:
            return
        self._early_deaths, delay_seconds = after_death(
            self._early_deaths,
            lived_seconds,
            random.random(),  # noqa: S311 - it spreads restarts, it hides nothing
        )
        self._not_before = self._ticks() + delay_seconds
        emit(
            "process.died",
            level="warning",
            died_role=self._command.role,
            outcome=outcome,
            lived_seconds=round(lived_seconds, 3),
            restart_in_seconds=round(delay_seconds, 3),
        )

    async def _life(self, place: _Place) -> tuple[str, float]:
        try:
            process = place.process = await self._processes.start(self._command)
        except OSError as error:
            return f"not started: {error}", 0.0
        if place.stopping:
            process.signal(signal.SIGTERM)
        code = await self._processes.ended(process)
        outcome = f"exit code {code}" if code >= 0 else signal.Signals(-code).name
        return f"pid {process.pid}: {outcome}", process.lived_seconds
