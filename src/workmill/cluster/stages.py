"""The stages of a cluster: what is started, what it waits for, and who orders it about.

Endpoints and workers are fleets: the controllers order, through a socket in the directory of the
cluster, and only their least number is kept alive here: nobody can lead without an endpoint.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial

from workmill.cluster import haproxy_probe, plan, redis_store
from workmill.cluster.plan import ClusterPlan
from workmill.controller.fleet import Fence
from workmill.supervisor.hang_detector import end_hung, health_at
from workmill.supervisor.local_fleet import LocalFleet
from workmill.supervisor.order_socket import taking_orders
from workmill.supervisor.processes import Command, LocalProcesses
from workmill.supervisor.readiness import until_ready
from workmill.supervisor.supervisor import Stage


class Fleets:
    """The fleets of this machine by role, from the time that their stage begins."""

    def __init__(self, cluster: ClusterPlan) -> None:
        self._cluster = cluster
        self._fence = Fence()
        self.by_role: dict[str, LocalFleet] = {}
        self._served = False
        """Whether the endpoints of this run have had a store: none later may begin one."""

    async def tend_endpoints(self, processes: LocalProcesses) -> None:
        """Keep the least number of endpoints alive, until cancelled."""
        least = self._cluster.config.endpoints.min_endpoints
        await self._tend("endpoint", processes, self.endpoint, least)

    def endpoint(self, number: int) -> Command:
        """How to run this one now."""
        command = plan.endpoint(self._cluster, number)
        return command.after_service() if self._served else command

    async def until_served(self) -> None:
        """Return once the least endpoints are ready, and requests at the door reach them. Later it
        is for whoever leads to say who belongs to the balancer."""
        least = self._cluster.config.endpoints.min_endpoints
        for number in self._cluster.endpoint_numbers[:least]:
            await until_ready(self._cluster.endpoint_url(number))
            await haproxy_probe.until_it_has(self._cluster, number)
        await until_ready(self._cluster.url)
        self._served = True

    async def tend_hung(self, _processes: LocalProcesses) -> None:
        """End endpoints that hang, until cancelled. Whoever leads does so too, but when all of them
        hang nobody leads."""
        fleet = self.by_role["endpoint"]

        def ask(pid: int) -> Awaitable[bool]:
            return health_at(self._cluster.endpoint_url(fleet.number(pid)))

        await end_hung(fleet.processes, "endpoint", ask)

    async def tend_workers(self, processes: LocalProcesses) -> None:
        """The same for workers."""
        command = plan.worker(self._cluster)
        least = self._cluster.config.workers.min_workers
        await self._tend("worker", processes, lambda _number: command, least)

    async def tend_orders(self, _processes: LocalProcesses) -> None:
        """Do what the controllers say, until cancelled."""
        async with taking_orders(self._cluster.orders_socket, self.by_role):
            await asyncio.Event().wait()

    async def _tend(
        self,
        role: str,
        processes: LocalProcesses,
        command: Callable[[int], Command],
        least: int,
    ) -> None:
        fleet = LocalFleet(processes, command, floor=least, fence=self._fence)
        fleet.start(least, token=0)
        self.by_role[role] = fleet
        try:
            await asyncio.Event().wait()
        finally:
            fleet.close()


def stages(cluster: ClusterPlan, fleets: Fleets) -> list[Stage]:
    """From the first to the last. Orders are taken for as long as there are controllers."""
    return [
        Stage(
            commands=plan.store_commands(cluster),
            until_ready=partial(redis_store.until_in_step, cluster),
            waits_for="the three hosts of the store to be in step, and their Sentinels to know it",
        ),
        Stage(
            commands=[plan.balancer_command(cluster)],
            tend=partial(
                end_hung, role="balancer", ask=lambda _: haproxy_probe.it_answers(cluster)
            ),
            until_ready=partial(haproxy_probe.it_answers, cluster),
            waits_for="the balancer to answer",
        ),
        Stage(
            tend=fleets.tend_endpoints,
            until_ready=fleets.until_served,
            waits_for="the endpoints to be ready and reached through the balancer",
        ),
        Stage(tend=fleets.tend_hung),
        Stage(tend=fleets.tend_workers),
        Stage(tend=fleets.tend_orders),
        Stage(commands=plan.controllers(cluster)),
    ]
