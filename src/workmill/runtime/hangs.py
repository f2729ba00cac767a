"""An endpoint that hangs is ended, so that its slot starts another one.

A supervisor hears of a process that ends, not of one that stands still. So it asks `/healthz`,
which needs nothing but the endpoint's loop, and gives that far longer than any load takes. Only a
process that has answered before is judged: one that opens a large store does not hang. And since
this process may be the one that stood still while the time ran out, it asks once more.
"""

from __future__ import annotations

import asyncio
from typing import Final

from workmill.runtime.processes import LocalProcesses
from workmill.runtime.readiness import answers
from workmill.telemetry import emit
from workmill.wire import paths

ASK_SECONDS: Final = 2.0
"""Between two questions."""
HUNG_SECONDS: Final = 20.0
"""How long an answer may take: an endpoint that must keep leases alive has 15 s for that."""
ONCE_MORE_SECONDS: Final = 2.0
"""How long the answer to the last question may take."""


async def end_hung(processes: LocalProcesses, url: str, role: str) -> None:
    """End whatever plays this role and does not answer at `url`, until cancelled."""
    well: set[int] = set()
    """The processes that have answered."""
    while True:
        asked = {one.pid: one for one in processes.list(role)}
        try:
            async with asyncio.timeout(HUNG_SECONDS):
                if await answers(url, paths.HEALTHZ):
                    well = set(asked)
        except TimeoutError:
            if await _answers_now(url):
                continue
            for pid in well & asked.keys() & {one.pid for one in processes.list(role)}:
                why = f"pid {pid} has not answered for {HUNG_SECONDS:g} s"
                emit("process.hung", level="warning", hung_role=role, why=why)
                asked[pid].kill_group()
        await asyncio.sleep(ASK_SECONDS)


async def _answers_now(url: str) -> bool:
    try:
        async with asyncio.timeout(ONCE_MORE_SECONDS):
            return await answers(url, paths.HEALTHZ)
    except TimeoutError:
        return False
