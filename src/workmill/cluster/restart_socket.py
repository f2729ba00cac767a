"""Asking for a rolling restart: a socket in the directory of the cluster, a line for each step.

Whoever can enter the directory may ask. One restart is under way at a time, and it goes on when
the one who asked has left.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing, suppress
from pathlib import Path
from typing import Final

from workmill.cluster.plan import restart_socket
from workmill.domain.errors import Unavailable, WorkmillError
from workmill.supervisor.order_socket import door
from workmill.telemetry import emit
from workmill.wire import codecs
from workmill.wire.messages import Message

CONNECT_SECONDS: Final = 5.0
SILENT_SECONDS: Final = 600.0
"""The longest time between two lines that whoever asked waits for: several steps of
`rolling_restart`."""


class Said(Message, frozen=True, kw_only=True):
    """One line of the answer: a step that is done, the end of all, or why it ended before."""

    step: str = ""
    done: bool = False
    failed: str = ""


class Restarts:
    """Does what is asked at the socket, one at a time."""

    def __init__(self, folder: Path, steps: Callable[[], AsyncGenerator[str, None]]) -> None:
        self._path, self._steps = restart_socket(folder), steps
        self._under_way = False
        self._tasks: set[asyncio.Task[None]] = set()

    async def tend(self, _processes: object) -> None:
        """Listen until cancelled; what is under way ends with that."""
        with door(self._path) as listener:
            server = await asyncio.start_unix_server(self._asked, sock=listener)
            try:
                await asyncio.Event().wait()
            finally:
                server.close()
                for task in self._tasks:
                    task.cancel()
                await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _asked(self, _reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if task := asyncio.current_task():
            self._tasks.add(task)
        try:
            with suppress(asyncio.CancelledError):  # the cluster drains
                async with aclosing(self._answers()) as answers:
                    async for said in answers:
                        with suppress(OSError):  # it goes on without listeners
                            writer.write(codecs.to_json(said) + b"\n")
                            await writer.drain()
        finally:
            if task:
                self._tasks.discard(task)
            writer.close()

    async def _answers(self) -> AsyncGenerator[Said, None]:
        if self._under_way:
            yield Said(
                failed="A restart is under way already. Nothing more was begun: wait for it."
            )
            return
        self._under_way = True
        try:
            async with aclosing(self._steps()) as steps:
                async for step in steps:
                    emit("restart.step", done=step)
                    yield Said(step=step)
        except Exception as error:  # noqa: BLE001 - whoever asked must hear of it
            detail = error.detail if isinstance(error, WorkmillError) else _unforeseen(error)
            emit("restart.stopped", level="error", detail=detail)
            yield Said(failed=detail)
        else:
            emit("restart.done")
            yield Said(done=True)
        finally:
            self._under_way = False


def _unforeseen(error: Exception) -> str:
    return (
        f"The restart stopped: {error!r}. What was restarted stays so, and the rest runs as "
        "before. See the log, then say `workmill restart` again."
    )


def ask_restart(folder: Path) -> Iterator[str]:
    """Ask the cluster on this directory for a rolling restart: each step when it is done.

    Raises Unavailable when no cluster runs there, a restart is under way, or one did not succeed.
    """
    with socket.socket(socket.AF_UNIX) as supervisor:
        supervisor.settimeout(CONNECT_SECONDS)
        try:
            supervisor.connect(str(restart_socket(folder)))
        except OSError as error:
            raise Unavailable(
                f"No cluster runs on {folder} ({error.strerror}). Nothing was restarted. Name the "
                "directory that it was started with: --data DIR"
            ) from None
        supervisor.settimeout(SILENT_SECONDS)
        with suppress(OSError), supervisor.makefile("rb") as answer:
            for line in answer:
                said = codecs.from_json(line, Said)
                if said.failed:
                    raise Unavailable(said.failed)
                if said.done:
                    return
                yield said.step
    raise Unavailable(
        "The cluster stopped before the restart was done. Nothing acknowledged is lost. Start it "
        "again, and everything is new."
    )
