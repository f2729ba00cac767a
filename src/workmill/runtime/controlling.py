"""`workmill controller`: one of several controllers of a cluster, whose workers have machines.

Any number may run, on any machine, and one of them leads. It talks to the service and to the cloud,
and holds nothing that the next leader would miss.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import closing, suppress
from typing import Final

from workmill import __version__
from workmill.client.control import ControlClient
from workmill.client.transport import Transport
from workmill.controller.controller import TURN_SECONDS, Controller
from workmill.controller.fleet import Fleet
from workmill.controller.fleets.ec2 import EC2Fleet
from workmill.controller.fleets.machines import EC2Settings
from workmill.controller.scaling import Limits
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Node
from workmill.runtime.config import ControllerConfig
from workmill.runtime.elastic import turn
from workmill.runtime.keys import read_key
from workmill.telemetry.events import INCARNATION, describe
from workmill.telemetry.load import LoadMeter

START_SECONDS: Final = 180.0
"""A machine, from its order to its first beat, until it has been measured."""


def run_controller(config: ControllerConfig) -> None:
    """Keep as many workers as the load asks for, until SIGTERM or SIGINT; the workers stay.

    Raises WorkmillError when the key cannot be read, or EC2 cannot be asked what there is.
    """
    describe("controller")
    key = read_key(config.key_file)
    with (
        Transport(config.urls, key=key) as transport,
        closing(EC2Fleet(_settings(config))) as fleet,
    ):
        asyncio.run(_lead(_controller(config, ControlClient(transport), fleet)))


def _settings(config: ControllerConfig) -> EC2Settings:
    return EC2Settings(
        cluster=config.cluster,
        region=config.region,
        subnets=config.subnets,
        endpoint_url=config.ec2_url,
    )


def _controller(config: ControllerConfig, service: ControlClient, fleet: Fleet) -> Controller:
    elastic = config.workers
    node = Node(
        incarnation=INCARNATION,
        role="controller",
        host=socket.gethostname(),
        pid=os.getpid(),
        version=__version__,
    )
    limits = Limits(
        min_workers=elastic.min_workers,
        max_workers=elastic.max_workers,
        target_wait_seconds=elastic.target_wait_seconds,
        cool_down_seconds=elastic.cool_down_seconds,
        start_seconds=START_SECONDS,
    )
    return Controller(node, service, fleet, limits, load=LoadMeter().read)


async def _lead(controller: Controller) -> None:
    """Turn until a stop signal, then let another one lead at once."""
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        await turn(controller)
        with suppress(TimeoutError):
            async with asyncio.timeout(TURN_SECONDS):
                await stop.wait()
    with suppress(WorkmillError):  # nobody answers: the term ends by itself
        await asyncio.to_thread(controller.stand_down)
