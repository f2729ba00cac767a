"""An elastic `workmill up`: a controller that leads, its fleet the workers of this machine."""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from functools import partial
from typing import Final

from workmill import __version__
from workmill.client.controller_client import ControlClient
from workmill.client.key_file import KeyFileTransport
from workmill.controller.controller import Controller
from workmill.controller.fleet_keeper import Keeper
from workmill.controller.policy_adapters import WorkerPolicy
from workmill.controller.worker_scaling import Limits
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Node
from workmill.runtime.child_commands import worker_command
from workmill.runtime.config import Elastic, WorkerConfig
from workmill.runtime.key_file import read_key
from workmill.supervisor.local_fleet import HOST, LocalFleet
from workmill.supervisor.processes import LocalProcesses
from workmill.telemetry import emit_rarely
from workmill.telemetry.log import INCARNATION
from workmill.telemetry.resource_usage import LoadMeter

START_SECONDS: Final = 1.5
"""A worker process on this machine, until it has been measured."""


async def tend(processes: LocalProcesses, worker: WorkerConfig, elastic: Elastic) -> None:
    """Keep as many workers as the load asks for, until cancelled."""
    command = worker_command(worker)
    with KeyFileTransport(worker.urls, partial(read_key, worker.key_file)) as transport:
        fleet = LocalFleet(processes, lambda _number: command, floor=elastic.min_workers)
        fleet.start(elastic.min_workers, token=0)  # there is work to do before anybody leads
        keeper = Keeper(fleet, worker_policy(elastic, START_SECONDS))
        service = ControlClient(transport)
        controller = Controller(controller_node(), service, [keeper], load=LoadMeter().read)
        try:
            while True:
                await turn(controller)
                await asyncio.sleep(controller.pause_seconds)
        finally:
            fleet.close()
            with suppress(WorkmillError):  # nobody answers: the term ends by itself
                await asyncio.to_thread(controller.stand_down)


def controller_node() -> Node:
    """What this process beats as when it plays the controller."""
    return Node(
        incarnation=INCARNATION,
        role="controller",
        host=HOST,
        pid=os.getpid(),
        version=__version__,
    )


def worker_policy(elastic: Elastic, start_seconds: float) -> WorkerPolicy:
    """The workers' policy with what a person has set."""
    return WorkerPolicy(
        Limits(
            min_workers=elastic.min_workers,
            max_workers=elastic.max_workers,
            target_wait_seconds=elastic.target_wait_seconds,
            cool_down_seconds=elastic.cool_down_seconds,
            start_seconds=start_seconds,
        )
    )


async def turn(controller: Controller) -> None:
    """Look, then act. What fails is said, and tried again with the next turn."""
    try:
        look = await asyncio.to_thread(controller.look)
        if look is not None:
            await controller.act(look)
    except Exception as error:  # noqa: BLE001 - a turn that failed must not end the service
        emit_rarely("controller.turn_failed", level="error", error=repr(error)[:500])
