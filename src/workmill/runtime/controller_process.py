"""`workmill controller`: one of several controllers of a service.

Any number may run, on any machine, and one of them leads. It talks to the service, to whatever has
the nodes (EC2, or the supervisor of this machine) and to the balancer, and holds nothing that the
next leader would miss.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack, closing, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from workmill.client.controller_client import ControlClient
from workmill.client.key_file import KeyFileTransport
from workmill.controller.balancer_membership import Rotation
from workmill.controller.balancers.haproxy import HAProxy
from workmill.controller.controller import Controller
from workmill.controller.endpoint_scaling import EndpointLimits
from workmill.controller.fleet import Fleet
from workmill.controller.fleet_keeper import Keeper
from workmill.controller.fleets.supervisor_client import SupervisedFleet
from workmill.controller.policy_adapters import EndpointPolicy
from workmill.domain.errors import InvalidInput, WorkmillError
from workmill.process.entry import stop_signals
from workmill.runtime.config import Cloud, ControllerConfig
from workmill.runtime.controller_loop import START_SECONDS, controller_node, turn, worker_policy
from workmill.runtime.key_file import read_key
from workmill.telemetry.resource_usage import LoadMeter
from workmill.telemetry.role_start import begin

if TYPE_CHECKING:
    from workmill.controller.fleets.ec2 import EC2Fleet

MACHINE_START_SECONDS: Final = 180.0
"""A machine, from its order to its first beat, until it has been measured."""


def run_controller(config: ControllerConfig) -> None:
    """Keep what the configuration names in step with the load, until SIGTERM or SIGINT; the nodes
    stay.

    Raises WorkmillError when there is nothing to keep, the key cannot be read, or EC2 cannot be
    asked what there is.
    """
    begin("controller")
    key = partial(read_key, config.key_file)
    with ExitStack() as stack:
        transport = stack.enter_context(KeyFileTransport(config.urls, key))
        keepers = [*_keepers(config, stack)]
        rotation = Rotation(HAProxy(Path(config.balancer))) if config.balancer else None
        if not keepers and not rotation:
            raise InvalidInput(
                "There is nothing for this controller to keep. Nothing was started. Name the "
                "cluster on EC2, or the balancer's admin socket."
            )
        service = ControlClient(transport)
        controller = Controller(
            controller_node(),
            service,
            keepers,
            rotation,
            own_balancer=rotation is not None and config.orders is None,
            load=LoadMeter().read,
        )
        asyncio.run(_lead(controller))


def _keepers(config: ControllerConfig, stack: ExitStack) -> Iterator[Keeper]:
    if config.workers and config.cloud:
        fleet = stack.enter_context(closing(_on_ec2(config.cloud)))
        yield Keeper(fleet, worker_policy(config.workers, MACHINE_START_SECONDS))
    if config.orders and config.workers:
        yield Keeper(_here(config.orders, "worker"), worker_policy(config.workers, START_SECONDS))
    if config.orders and config.endpoints:
        limits = EndpointLimits(
            min_endpoints=config.endpoints.min_endpoints,
            max_endpoints=config.endpoints.max_endpoints,
            cool_down_seconds=config.endpoints.cool_down_seconds,
        )
        yield Keeper(_here(config.orders, "endpoint"), EndpointPolicy(limits))


def _here(orders: str, role: str) -> Fleet:
    return SupervisedFleet(Path(orders), role)


def _on_ec2(cloud: Cloud) -> EC2Fleet:
    from workmill.controller.fleets.ec2 import EC2Fleet
    from workmill.controller.fleets.ec2_machines import EC2Settings

    return EC2Fleet(
        EC2Settings(
            cluster=cloud.cluster,
            region=cloud.region,
            subnets=cloud.subnets,
            endpoint_url=cloud.ec2_url,
        )
    )


async def _lead(controller: Controller) -> None:
    """Turn until a stop signal, then let another one lead at once."""
    stop = asyncio.Event()
    for number in stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    while not stop.is_set():
        await turn(controller)
        with suppress(TimeoutError):
            async with asyncio.timeout(controller.pause_seconds):
                await stop.wait()
    with suppress(WorkmillError):  # nobody answers: the term ends by itself
        await asyncio.to_thread(controller.stand_down)
