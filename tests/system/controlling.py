"""A controller in a process of its own, over a fleet that only writes down what it was ordered.

Run as a module: `python -m tests.system.controlling NAME URL ORDERS`. Every fleet of one test
writes to the same file, as all controllers of a service order about the same machines.
"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from workmill.client.controller_client import ControlClient
from workmill.client.sync_transport import Transport
from workmill.controller.controller import Controller
from workmill.controller.fleet import Member
from workmill.controller.fleet_keeper import Keeper
from workmill.controller.policy_adapters import WorkerPolicy
from workmill.controller.worker_scaling import Limits
from workmill.domain.job import Node

TURN_SECONDS = 0.1


class Notes:
    """Nobody ever comes, so every turn of a leader orders again: one line each, with its token."""

    def __init__(self, name: str, orders: Path) -> None:
        self._name, self._orders = name, orders

    def list(self, token: int) -> Sequence[Member]:
        del token
        return []

    def start(self, count: int, token: int) -> None:
        """As every fleet, it refuses what bears an older token than was seen."""
        with self._orders.open("a+") as file:
            file.seek(0)
            latest = max((int(line.split()[1]) for line in file), default=0)
            if token >= latest:
                file.write(f"{self._name} {token} {count}\n")

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        raise AssertionError(f"there is no {member} to stop: {token}, {drain}")


async def main(name: str, url: str, orders: str) -> None:
    node = Node(incarnation=name, role="controller", host="test", pid=os.getpid(), version="0")
    with Transport(url) as transport:
        fleet = Notes(name, Path(orders))
        keeper = Keeper(fleet, WorkerPolicy(Limits(min_workers=1, max_workers=1)))
        controller = Controller(node, ControlClient(transport), [keeper])
        while True:
            look = controller.look()
            if look is not None:
                await controller.act(look)
            await asyncio.sleep(TURN_SECONDS)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
