"""Nodes of this machine as a fleet: the controller orders, the supervisor's processes are it.

One that keeps dying young is started again more and more slowly (`restart_delay`), whatever the
controller orders meanwhile: its next turn orders again.
"""

from __future__ import annotations

import asyncio
import signal
import socket
import time
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Final

from workmill.controller.fleet import Fence, Member
from workmill.supervisor.deaths import Deaths
from workmill.supervisor.lifeline import GRACE_SECONDS
from workmill.supervisor.processes import Command, Death, LocalProcess, LocalProcesses
from workmill.telemetry import emit
from workmill.telemetry.error_text import error_text

HOST: Final = socket.gethostname()
"""As this process names it in its beats."""


class _Place:
    """One node from its order to its end. `number` is its alone while it is there."""

    def __init__(self, name: str, number: int, ordered_at: float) -> None:
        self.name, self.number, self.ordered_at = name, number, ordered_at
        self.process: LocalProcess | None = None
        self.host = HOST
        """As its process names it: a machine may be given another name while it runs."""
        self.stopping = False


class LocalFleet:
    """`controller.fleet.Fleet` over processes. For the loop's thread alone.

    Each node is run as `command` says for its number, the lowest that is free from 1 on. With a
    `floor`, so many are kept alive whatever anybody orders.
    """

    def __init__(
        self,
        processes: LocalProcesses,
        command: Callable[[int], Command],
        *,
        floor: int = 0,
        fence: Fence | None = None,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self.processes, self._command, self._ticks = processes, command, ticks
        self._floor = floor
        self._places: dict[str, _Place] = {}
        self._names = count(1)
        self._fence = fence or Fence()
        self._deaths = Deaths()
        self._not_before = float("-inf")
        self._tasks: set[asyncio.Task[Any]] = set()
        self._closed = False
        self._held = False

    def list(self, token: int) -> Sequence[Member]:
        """See `Fleet.list`."""
        self._fence.admits(token)
        now = self._ticks()
        return [
            Member(
                name=place.name,
                host=place.host,
                pid=place.process.pid if place.process else 0,
                age_seconds=now - place.ordered_at,
                stopping=place.stopping,
            )
            for place in self._places.values()
        ]

    def start(self, count: int, token: int) -> None:
        """See `Fleet.start`. While nodes die young, nothing is started before its time."""
        if not self._admits(token) or self._held or self._ticks() < self._not_before:
            return
        for _ in range(count):
            self._order(0.0)

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        """See `Fleet.stop`. A drain that takes too long is ended by force."""
        place = self._places.get(member.name)
        if not self._admits(token) or self._held or place is None:
            return
        if drain and len(self.numbers()) <= self._floor:
            return  # the leader has counted some that are gone, and will see
        place.stopping = True
        if place.process is None:
            return  # it ends as soon as it is there
        if drain:
            self._do(self.processes.stop(place.process, GRACE_SECONDS))
        else:
            place.process.kill_group()

    @contextmanager
    def held(self) -> Iterator[None]:
        """Whoever supervises this machine changes the fleet: meanwhile no order of a controller is
        carried out, as it may happen to every order. Its next turn gives it again."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def add(self) -> int:
        """Start one more, by the supervisor's own will: its number."""
        return self._order(0.0)

    def numbers(self) -> Sequence[int]:
        """Of those that are there and stay, the eldest first."""
        return [place.number for place in self._places.values() if not place.stopping]

    def pid(self, number: int) -> int | None:
        """Of the process with this number; None when there is none just now."""
        processes = [one.process for one in self._places.values() if one.number == number]
        return processes[0].pid if processes and processes[0] else None

    def number(self, pid: int) -> int:
        """Of the process with this id, which is one of them."""
        places = self._places.values()
        return next(one.number for one in places if one.process and one.process.pid == pid)

    async def drain(self, number: int) -> bool:
        """Let the one with this number drain; whether it ended within its grace."""
        place = next((one for one in self._places.values() if one.number == number), None)
        if place is None or place.process is None:
            return True
        place.stopping = True
        return await self.processes.stop(place.process, GRACE_SECONDS)

    def close(self) -> None:
        """Everybody is about to be told to go: their ends are no deaths, and nobody follows."""
        self._closed = True
        for place in self._places.values():
            place.stopping = True

    def _admits(self, token: int) -> bool:
        admitted = self._fence.admits(token)
        if not admitted:
            emit("fleet.stale_order", level="warning", token=token)
        return admitted

    def _order(self, delay_seconds: float) -> int:
        taken = {place.number for place in self._places.values()}
        number = next(number for number in count(1) if number not in taken)
        place = _Place(str(next(self._names)), number, self._ticks())
        self._places[place.name] = place
        self._do(self._live(place, delay_seconds))
        return number

    def _do(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _live(self, place: _Place, delay_seconds: float) -> None:
        """One node's life, and what its end means for the next start."""
        await asyncio.sleep(delay_seconds)
        if self._closed:
            del self._places[place.name]
            return
        command = self._command(place.number)
        death = await self._life(place, command)
        del self._places[place.name]
        if place.stopping:
            self._keep_floor(0.0)
            return
        wait_seconds = self._deaths.after(command.role, death, death.lived_seconds)
        self._not_before = self._ticks() + wait_seconds
        self._keep_floor(wait_seconds)

    def _keep_floor(self, wait_seconds: float) -> None:
        if not self._closed and len(self.numbers()) < self._floor:
            self._order(wait_seconds)

    async def _life(self, place: _Place, command: Command) -> Death:
        try:
            place.host = socket.gethostname()
            process = place.process = await self.processes.start(command)
        except OSError as error:
            return Death(f"not started: {error_text(error)}", 0.0)
        self._deaths.born(process)
        if place.stopping:
            process.signal(signal.SIGTERM)
        return await self.processes.death(process)
