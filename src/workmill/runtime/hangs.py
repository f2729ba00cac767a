"""An endpoint that hangs is ended, so that its slot starts another one.

A supervisor hears of a process that ends, not of one that stands still. So it asks `/healthz`,
which needs nothing but the endpoint's loop, and gives that far longer than any load takes. Only a
process that has answered before is judged: one that opens a large store does not hang. And since
this process may be the one that stood still while the time ran out, it asks once more.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
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


async def end_hung(processes: LocalProcesses, role: str, url_of: Callable[[int], str]) -> None:
    """End whatever plays this role and does not answer, until cancelled. `url_of` says where the
    process with an id is asked."""
    well: set[int] = set()
    """The processes that have answered."""
    while True:
        asked = processes.list(role)
        said = await asyncio.gather(*(_answer(url_of(one.pid)) for one in asked))
        for process, answered in zip(asked, said, strict=True):
            if answered is None and process.pid in well:
                why = f"pid {process.pid} has not answered for {HUNG_SECONDS:g} s"
                emit("process.hung", level="warning", hung_role=role, why=why)
                process.kill_group()
        there = {one.pid for one in asked}
        well = well & there | {one.pid for one, yes in zip(asked, said, strict=True) if yes}
        await asyncio.sleep(ASK_SECONDS)


async def _answer(url: str) -> bool | None:
    """Whether it answers that all is well; None when it takes the question and says nothing."""
    for patience_seconds in (HUNG_SECONDS, ONCE_MORE_SECONDS):
        with suppress(TimeoutError):
            async with asyncio.timeout(patience_seconds):
                return await answers(url, paths.HEALTHZ)
    return None
