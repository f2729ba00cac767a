"""What an endpoint does beside its calls: its heartbeat, its readings, purges, watches.

A task of an event loop that raises ends without a word, and everything that waits for it waits for
ever while the process looks healthy. So each runs here: an error that it did not expect is logged,
and it is begun again after `RESTART_SECONDS`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

from workmill.telemetry import emit_rarely

RESTART_SECONDS: Final = 1.0


class Background:
    """The tasks of one endpoint, from their start until `end`."""

    def __init__(self) -> None:
        self._tasks: list[asyncio.Task[None]] = []

    def start(self, name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run it until `end`. `name` is what the log calls it."""
        self._tasks.append(asyncio.create_task(_kept(name, run), name=name))

    async def end(self) -> bool:
        """Cancel all of them and wait until they have ended; whether there were any."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        return bool(self._tasks)


async def _kept(name: str, run: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            return await run()
        except Exception as error:  # noqa: BLE001 - nobody else would hear of it
            emit_rarely("endpoint.task_failed", level="error", task=name, error=repr(error)[:500])
            await asyncio.sleep(RESTART_SECONDS)
