"""Processes on this machine: start one, stop one, list them. Nothing here decides anything.

Every process leads a group of its own, so that a Ctrl-C at the terminal reaches only the
supervisor, which then chooses the order; and so that ending one by force takes its own
children with it. Its standard input is its lifeline (see `lifeline`).
"""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from pathlib import Path
from typing import IO, Final, NamedTuple

from workmill.domain.errors import WorkmillError
from workmill.process.children import child_environment
from workmill.process.oom_score import SUPERVISED, end_sooner
from workmill.supervisor.lifeline import refusal
from workmill.telemetry.error_text import shortage
from workmill.telemetry.exit_text import exit_text

MAX_LOG_BYTES: Final = 16 * 2**20
"""A log that is longer when its process starts begins anew; the one before is kept beside it."""
SPACING_SECONDS: Final = 0.02
"""Between two starts: many at once would hold up whoever supervises them, and a stop signal."""


class Command(NamedTuple):
    """How to run one process of a role. `pass_fds` are the descriptors it inherits, `settings` is
    what its environment has besides, `log` the file that its standard output is added to. `later`
    is what is run instead of `argv` once a process of this command has served. `listen_fd` is that
    of `pass_fds` on which it listens, and its callers wait while it is not there."""

    role: str
    argv: tuple[str, ...]
    pass_fds: tuple[int, ...] = ()
    settings: tuple[tuple[str, str], ...] = ()
    log: Path | None = None
    later: tuple[str, ...] | None = None
    listen_fd: int | None = None

    def after_service(self) -> Command:
        """How to run the process that follows one that has served."""
        return self if self.later is None else self._replace(argv=self.later)


class Death(NamedTuple):
    """How a process ended, in words for the log; `refusal` when it said why it cannot start."""

    outcome: str
    lived_seconds: float
    refusal: WorkmillError | None = None


class LocalProcess:
    """One process that was started, alive or not."""

    def __init__(
        self, role: str, process: asyncio.subprocess.Process, lifeline: socket.socket
    ) -> None:
        self.role = role
        self.pid = process.pid
        self._process = process
        self._lifeline = lifeline
        self._started = time.monotonic()
        self._refusal: WorkmillError | None = None

    async def ended(self) -> int:
        """Wait for its end; the exit code, or minus the signal that ended it."""
        code = await self._process.wait()
        if self._lifeline.fileno() >= 0:
            self._refusal = refusal(self._lifeline)
            self._lifeline.close()
        return code

    def death(self, code: int) -> Death:
        """Its end, after which it has this exit code."""
        how = exit_text(code)
        if self._refusal is not None:
            how = f"{how}: {self._refusal.detail}"
        return Death(f"pid {self.pid}: {how}", self.lived_seconds, self._refusal)

    @property
    def alive(self) -> bool:
        return self._process.returncode is None

    @property
    def lived_seconds(self) -> float:
        return time.monotonic() - self._started

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to it alone; one that has ended is left in peace. `send_signal` would take
        the exit code of one that has just ended, which somebody waits for."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill_group(self) -> None:
        """End it and its own children by force."""
        if self.alive:
            with suppress(ProcessLookupError):
                os.killpg(self.pid, signal.SIGKILL)


class LocalProcesses:
    """The processes that this supervisor has started and that have not ended."""

    def __init__(self) -> None:
        self._alive: dict[int, LocalProcess] = {}
        self._turn = asyncio.Lock()
        self._next_start = 0.0
        self._closed = False

    async def start(self, command: Command) -> LocalProcess:
        """Start a process, one after the other. Raises OSError when the machine cannot, or when
        all of them are about to end."""
        async with self._turn:
            if (early_seconds := self._next_start - time.monotonic()) > 0:
                await asyncio.sleep(early_seconds)
            self._next_start = time.monotonic() + SPACING_SECONDS
            if self._closed:
                raise OSError(errno.ECANCELED, "everything is about to end")
            process = await _started(command)
            self._alive[process.pid] = process
            return process

    async def close(self) -> None:
        """Start nothing more. Whoever is just being started is on the list when this returns."""
        self._closed = True
        async with self._turn:
            pass

    async def ended(self, process: LocalProcess) -> int:
        """Wait for the end of a process and forget it; its exit code, or minus its signal."""
        code = await process.ended()
        self._alive.pop(process.pid, None)
        return code

    async def death(self, process: LocalProcess) -> Death:
        """The same in words."""
        return process.death(await self.ended(process))

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
        """Start nothing more, end all by force, and return when they are gone."""
        await self.close()
        for process in self.list():
            process.kill_group()
            await self.ended(process)


async def _started(command: Command) -> LocalProcess:
    ours, its = socket.socketpair()
    try:
        with its, _output(command.log) as output:
            started = await asyncio.create_subprocess_exec(
                *command.argv,
                stdin=its.fileno(),
                stdout=output,
                pass_fds=command.pass_fds,
                env={**child_environment(), **dict(command.settings)},
                process_group=0,
            )
    except BaseException as error:
        ours.close()
        raise _of_the_machine(error) from error
    end_sooner(SUPERVISED, started.pid)
    return LocalProcess(command.role, started, ours)


def _of_the_machine(error: BaseException) -> BaseException:
    """A thread or memory that is refused is a process that cannot be started: asyncio may start a
    thread for each child, to wait for it."""
    if isinstance(error, MemoryError):
        return OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))
    if isinstance(error, RuntimeError) and shortage(error) is not None:
        return OSError(errno.EAGAIN, os.strerror(errno.EAGAIN))
    return error


def _output(log: Path | None) -> AbstractContextManager[IO[bytes] | None]:
    """The log to write to, or None: where the supervisor writes."""
    if log is None:
        return nullcontext()
    if log.exists() and log.stat().st_size > MAX_LOG_BYTES:
        log.replace(log.with_name(log.name + ".old"))
    return log.open("ab")
