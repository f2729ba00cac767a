"""HAProxy under the supervisor: its file, when it answers, who is behind it."""

from __future__ import annotations

import asyncio
from importlib.resources import files
from pathlib import Path
from typing import Final

from workmill.controller.balancers.haproxy import HAProxy
from workmill.domain.errors import Unavailable
from workmill.runtime.cluster.plan import ClusterPlan

ASK_AGAIN_SECONDS: Final = 0.1
ANSWER_SECONDS: Final = 5.0


def balancer_file() -> Path:
    """The configuration as it was installed."""
    return Path(str(files("workmill.runtime.haproxy").joinpath("haproxy.cfg")))


async def until_it_answers(plan: ClusterPlan) -> None:
    """Return once HAProxy says whom it serves. Waits for ever."""
    balancer = HAProxy(plan.admin_socket)
    while True:
        try:
            await balancer.members()
        except Unavailable:
            await asyncio.sleep(ASK_AGAIN_SECONDS)
        else:
            return


async def worker_pid(plan: ClusterPlan) -> int | None:
    """The process that serves now; None when none answers."""
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
