"""HAProxy under the supervisor: its file, when it answers, which process of it serves."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import Final

from workmill.cluster.plan import ClusterPlan
from workmill.controller.balancers.haproxy import HAProxy
from workmill.domain.errors import Unavailable

ASK_AGAIN_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 5.0


def balancer_file() -> Path:
    """The configuration as it was installed."""
    return Path(str(files("workmill.haproxy").joinpath("haproxy.cfg")))


async def it_answers(plan: ClusterPlan) -> bool:
    """True, once HAProxy says whom it serves. Waits for ever."""
    await _until(HAProxy(plan.admin_socket).members)
    return True


async def until_it_has(plan: ClusterPlan, number: int) -> None:
    """Return once HAProxy knows of this endpoint, which it is told. Waits for ever."""
    await _until(partial(HAProxy(plan.admin_socket).add, plan.endpoint_place(number)))


async def _until(said: Callable[[], Awaitable[object]]) -> None:
    while True:
        try:
            await said()
        except Unavailable:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        else:
            return


async def worker_pid(plan: ClusterPlan) -> int | None:
    """The process that serves now, which a reload replaces; None when none answers."""
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            reader, writer = await asyncio.open_unix_connection(plan.admin_socket)
            try:
                writer.write(b"show info\n")
                lines = (await reader.read()).decode().splitlines()
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    pids = [int(line.removeprefix("Pid: ")) for line in lines if line.startswith("Pid: ")]
    return pids[0] if pids else None
