"""A rolling restart: every process of a cluster is replaced, one after the other, while it serves.

Theory. Whatever is restarted must not be missed, so each step begins when the one before has been
seen to be whole again, and only then:

- store hosts, replicas first. A replica that starts copies what it lacks and is waited for until it
  could be promoted. The primary is last: its part is handed over first, and what leads then has
  everything, because whoever lives confirms every change. A failover that happens by itself
  meanwhile only changes who is last.
- Sentinels, each until it knows all the others and their servers again: two are a majority.
- controllers, those that wait before the one that leads.
- endpoints and workers, for each a new one first. Meanwhile no controller changes their number.
- the balancer: its new process takes over the sockets and the slots of the old one.

A step that does not become healthy in its time stops the restart; what was restarted stays so.
"""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from functools import partial
from typing import Final, TypeVar

from workmill.client.controller_client import ControlClient
from workmill.client.sync_transport import Transport
from workmill.cluster import haproxy_probe, plan, redis_store
from workmill.cluster.plan import ClusterPlan
from workmill.cluster.stages import Fleets
from workmill.controller.balancers.haproxy import HAProxy
from workmill.domain.errors import Unavailable, WorkmillError
from workmill.domain.job import Node
from workmill.haproxy.reload import write_slots
from workmill.redis_hosts.plan import Host
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.readiness import all_in_step, primary_host
from workmill.runtime.key_file import read_key
from workmill.supervisor.kept_process import Slot
from workmill.supervisor.lifeline import GRACE_SECONDS

T = TypeVar("T")

STEP_SECONDS: Final = 120.0
"""How long a step may take to become healthy: a store that is large is copied in this time."""
LOOK_SECONDS: Final = 0.2


def next_host(left: list[Host], primary: Host) -> Host:
    """Whose turn it is: the primary's when no other is left."""
    return next((host for host in left if host != primary), primary)


class Rolling:
    """One rolling restart. `slot` finds the slot of a role."""

    def __init__(self, cluster: ClusterPlan, fleets: Fleets, slot: Callable[[str], Slot]) -> None:
        self._cluster, self._fleets, self._slot = cluster, fleets, slot
        self._asking = Asking(redis_store.host_settings(cluster))
        self._door = HAProxy(cluster.admin_socket)
        key = read_key(cluster.config.key_file)
        self._transport = Transport(cluster.endpoint_urls, key=key)
        self._service = ControlClient(self._transport)

    async def steps(self) -> AsyncGenerator[str, None]:
        """Do it, and say each step when it is done. Raises Unavailable when one fails."""
        try:
            fleets = self._fleet("endpoint"), self._fleet("worker")
            for part in (self._store(), self._sentinels(), self._controllers(), *fleets):
                async with aclosing(part) as steps:
                    async for said in steps:
                        yield said
            yield await self._balancer()
        finally:
            self._asking.close()
            self._transport.close()

    async def _store(self) -> AsyncGenerator[str, None]:
        hosts = self._cluster.store.hosts
        left = [*hosts]
        await self._until("the store", "all three hosts are in step", self._in_step)
        while left:
            primary = await self._until("the store", "one host is the primary", self._primary)
            host = next_host(left, primary)
            if host == primary:
                yield await self._hand_over(primary)
            await self._renew(host.name)
            await self._renew(f"{host.name}-watch")
            await self._until(host.name, "it is in step and can be promoted", self._in_step)
            left.remove(host)
            yield f"{host.name}: server and watch restarted, in step"

    async def _hand_over(self, primary: Host) -> str:
        async def another() -> Host | None:
            now = await self._primary()
            if now is not None and now != primary:
                return now if await self._in_step() else None
            refused = await asyncio.to_thread(self._asking.fail_over, primary)
            if refused:  # a Sentinel that has just begun does not know whom to promote
                raise Unavailable(refused)
            return None

        now = await self._until(primary.name, "another host is the primary", another)
        return f"{primary.name}: {now.name} is the primary now"

    async def _sentinels(self) -> AsyncGenerator[str, None]:
        for host in self._cluster.store.hosts:
            role = f"{host.name}-sentinel"
            await self._renew(role)
            acquainted = partial(asyncio.to_thread, self._asking.knows_all, host)
            await self._until(role, "it knows the others", acquainted)
            yield f"{role}: restarted, knows the others"

    async def _controllers(self) -> AsyncGenerator[str, None]:
        slots = [self._slot(command.role) for command in plan.controllers(self._cluster)]
        leads = {node.pid for node in await self._nodes() if node.leads}
        for slot in sorted(slots, key=lambda slot: slot.pid in leads):
            role = slot.command.role
            await self._renew(role)
            await self._until(role, "it beats, and one leads", partial(self._led, slot))
            yield f"{role}: restarted"

    async def _led(self, slot: Slot) -> bool:
        beating = [node for node in await self._nodes() if node.role == "controller"]
        alive = {self._slot(one.role).pid for one in plan.controllers(self._cluster)}
        return any(node.pid == slot.pid for node in beating) and any(
            node.leads and node.pid in alive for node in beating
        )

    async def _fleet(self, role: str) -> AsyncGenerator[str, None]:
        fleet = self._fleets.by_role[role]
        with fleet.held():
            for number in fleet.numbers():
                new = fleet.add()
                serves = partial(self._serves, role, new)
                await self._until(f"the new {role}", "it serves", serves)
                if not await fleet.drain(number):
                    raise _failed(f"the old {role}", "it has drained", "it was ended by force")
                yield f"{role} {number}: drained, {role} {new} is in its place"

    async def _serves(self, role: str, number: int) -> bool:
        pid = self._fleets.by_role[role].pid(number)
        if not any(node.pid == pid for node in await self._nodes()):
            return False
        if role == "worker":
            return True
        place = self._cluster.endpoint_place(number)
        members = await self._door.members()
        return any(one.place == place and one.standing == "serving" for one in members)

    async def _balancer(self) -> str:
        master = self._slot("balancer").pid
        before = await haproxy_probe.worker_pid(self._cluster)
        if master is None or before is None:
            raise _failed("the balancer", "it answers", "it does not")
        admin, slots = self._cluster.admin_socket, self._cluster.slots_file
        try:
            await asyncio.to_thread(write_slots, admin, slots)
            os.kill(master, signal.SIGUSR2)
        except OSError as error:
            raise _failed("the balancer", "its slots are written down", str(error)) from None

        async def reloaded() -> bool:
            return await haproxy_probe.worker_pid(self._cluster) not in (None, before)

        await self._until("the balancer", "its new process answers", reloaded)
        return "balancer: reloaded, its new process has the doors and the endpoints"

    # what the steps are made of

    async def _renew(self, role: str) -> None:
        try:
            async with asyncio.timeout(STEP_SECONDS):
                drained = await self._slot(role).renew(GRACE_SECONDS)
        except TimeoutError:
            raise _failed(role, "it starts again", f"not in {STEP_SECONDS:.0f} s") from None
        if not drained:
            raise _failed(role, "it ends when it is told to", "it was ended by force")

    async def _in_step(self) -> bool:
        return await asyncio.to_thread(all_in_step, self._asking, self._cluster.store)

    async def _primary(self) -> Host | None:
        return await asyncio.to_thread(primary_host, self._asking, self._cluster.store)

    async def _nodes(self) -> list[Node]:
        return await asyncio.to_thread(self._service.nodes)

    async def _until(self, who: str, what: str, asked: Callable[[], Awaitable[T | None]]) -> T:
        """The first true answer. Raises Unavailable when there is none in the time of a step."""
        deadline, why = time.monotonic() + STEP_SECONDS, "it was not so"
        while time.monotonic() < deadline:
            try:
                if answer := await asked():
                    return answer
            except WorkmillError as error:  # nobody answers just now
                why = error.detail
            await asyncio.sleep(LOOK_SECONDS)
        raise _failed(who, what, f"for {STEP_SECONDS:.0f} s: {why}")


def _failed(who: str, what: str, why: str) -> Unavailable:
    return Unavailable(
        f"The restart stopped at {who}: it waited until {what} ({why}). "
        "What was restarted stays so, and the rest runs as before. See the log, then say "
        "`workmill restart` again."
    )
