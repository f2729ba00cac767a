"""Processes on this machine: start one, stop one, list them. Nothing here decides anything.

Every process leads a group of its own, so that a Ctrl-C at the terminal reaches only the
supervisor, which then chooses the order; and so that ending one by force takes its own
children with it. Its standard input is its lifeline (see `lifeline`).
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

MAX_LOG_BYTES: Final = 16 * 2**20
"""A log that is longer when its process starts begins anew; the one before is kept beside it."""


class Command(NamedTuple):
    """How to run one process of a role. `pass_fds` are the descriptors it inherits, `settings` is
    what its environment has besides, `log` the file that its standard output is added to."""

    role: str
    argv: tuple[str, ...]
    pass_fds: tuple[int, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    log: Path | None = None


class LocalProcess:
    """One process that was started, alive or not."""

    def __init__(self, role: str, process: asyncio.subprocess.Process) -> None:
        self.role = role
        self.pid = process.pid
        self._process = process
        self._started = time.monotonic()

    async def ended(self) -> int:
        """Wait for its end; the exit code, or minus the signal that ended it."""
        return await self._process.wait()

    @property
    def lived_seconds(self) -> float:
        return time.monotonic() - self._started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone; one that has ended is left in peace."""
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill_group(self) -> None:
        """End it and its own children by force."""
        if self._process.returncode is None:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


class LocalProcesses:
    """The processes that this supervisor has started and that have not ended."""

    def __init__(self) -> None:
        self._alive: dict[int, LocalProcess] = {}

    async def start(self, command: Command) -> LocalProcess:
        """Start a process. Raises OSError when the machine cannot."""
        with _output(command.log) as output:
            started = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=asyncio.subprocess.PIPE,
                stdout=output,
                pass_fds=command.pass_fds,
                env={**os.environ, **dict(command.settings)},
                process_group=0,
            )
        process = LocalProcess(command.role, started)
        self._alive[process.pid] = process
        return process

    async def ended(self, process: LocalProcess) -> int:
        """Wait for the end of a process and forget it; its exit code, or minus its signal."""
        code = await process.ended()
        self._alive.pop(process.pid, None)
        return code

    async def stop(self, process: LocalProcess, grace_seconds: float) -> bool:
        """Ask it to drain; whether it ended within its grace. If not, it is ended by force."""
        process.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.ended(process), grace_seconds)
        except TimeoutError:
            process.kill_group()
            await self.ended(process)
            return False
        return True

    def list(self, role: str | None = None) -> Sequence[LocalProcess]:
        """Those alive, of one role or of all."""
        return tuple(p for p in self._alive.values() if role in (None, p.role))

    async def kill(self) -> None:
        """End all by force, and return when they are gone."""
        for process in self.list():
            process.kill_group()
            await self.ended(process)


def _output(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """The log to write to, or None: where the supervisor writes."""
    if log is None:
        return nullcontext()
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(log.name + ".old"))
    return log.open("ab")
