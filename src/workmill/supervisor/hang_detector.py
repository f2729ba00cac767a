"""An endpoint or a balancer that hangs is ended, so that another one is started.

A supervisor hears of a process that ends, not of one that stands still. So it asks what needs
nothing but the process itself, and gives that far longer than any load takes. Only a
process that has answered before is judged: one that opens a large store does not hang. And since
this process may be the one that stood still while the time ran out, it asks once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final, TypeAlias

from workmill.supervisor.processes import LocalProcesses
from workmill.supervisor.readiness import answers
from workmill.telemetry import emit
from workmill.wire import paths

ASK_SECONDS: Final = 2.0
"""Between two questions."""
HUNG_SECONDS: Final = 30.0
"""How long an answer may take: as long as a controller bears silence (`controller.node_roster`),
and twice the lease that an endpoint has to keep alive."""
ONCE_MORE_SECONDS: Final = 2.0
"""How long the answer to the last question may take."""

Ask: TypeAlias = Callable[[int], Awaitable[bool]]
"""Asks the process with this id: whether it answers that all is well, however long that takes."""


def health_at(url: str) -> Awaitable[bool]:
    """Ask an endpoint, which needs nothing but its loop to answer this."""
    return answers(url, paths.HEALTHZ)


async def end_hung(processes: LocalProcesses, role: str, ask: Ask) -> None:
    """End whatever plays this role and does not answer, until cancelled."""
    well: set[int] = set()
    """The processes that have answered."""
    while True:
        asked = processes.list(role)
        said = await asyncio.gather(*(_answer(ask, one.pid) for one in asked))
        for process, answered in zip(asked, said, strict=True):
            if answered is None and process.pid in well:
                why = f"pid {process.pid} has not answered for {HUNG_SECONDS:g} s"
                emit("process.hung", level="warning", hung_role=role, why=why)
                process.kill_group()
        there = {one.pid for one in asked}
        well = well & there | {one.pid for one, yes in zip(asked, said, strict=True) if yes}
        await asyncio.sleep(ASK_SECONDS)


async def _answer(ask: Ask, pid: int) -> bool | None:
    """Whether it answers that all is well; None when it says nothing for so long."""
    for patience_seconds in (HUNG_SECONDS, ONCE_MORE_SECONDS):
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                return await ask(pid)
    return None
