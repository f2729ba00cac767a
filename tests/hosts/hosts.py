"""Three Redis hosts on this machine, each in a network of its own, with faults on demand.

    with Hosts(folder) as hosts, hosts.inside():
        hosts.endpoint_at(hosts.primary()).ping()
        hosts.isolate("redis-1")
        hosts.heal()

Needs root, iproute2, nftables, openssl and redis-server.
"""

from __future__ import annotations

import os
import shutil
from contextlib import AbstractContextManager, ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from tests.hosts.faults import Drop, Fault, Isolate, Slow
from tests.hosts.machine import Machine, Part
from tests.hosts.network import CLIENT, Network, may_make_namespaces
from tests.system.processes import until

from workmill.redis_hosts.plan import Plan, hosts_at
from workmill.redis_hosts.prepare import passwords_in, prepare
from workmill.redis_hosts.queries import NOT_ANSWERED, Asking

ADDRESSES = ("10.213.0.1", "10.213.0.2", "10.213.0.3")
CLIENT_ADDRESS = "10.213.0.100"
PROGRAMS = ("ip", "tc", "nft", "openssl", "redis-server")
ANSWER_SECONDS = 2.0
PATIENCE_SECONDS = 80.0
"""Sentinels need up to half a minute for what goes wrong once, and more on a busy machine."""


def missing() -> str:
    """What this machine lacks for a set of hosts; empty when it lacks nothing."""
    if os.geteuid() != 0:
        return "root"
    if lacking := [program for program in PROGRAMS if not shutil.which(program)]:
        return ", ".join(lacking)
    return "" if may_make_namespaces() else "the right to make network namespaces"


class Hosts:
    """The set, from entering (a primary with both replicas in step) to leaving (all gone)."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.plan = Plan(hosts=hosts_at(list(ADDRESSES)), passwords=passwords_in(folder))
        addresses = {host.name: host.address for host in self.plan.hosts}
        self.network = Network({**addresses, CLIENT: CLIENT_ADDRESS})
        self.machines: dict[str, Machine] = {}
        self._asking: dict[str, Asking] = {}
        self._open = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as undo:
            undo.enter_context(self.network)
            prepare(self.folder, self.plan)
            for host in self.plan.hosts:
                machine = Machine(self.folder, self.network, self.plan, host)
                self.machines[host.name] = machine
                undo.callback(machine.close)
                self._asking[host.name] = Asking(machine.settings)
                undo.callback(self._asking[host.name].close)
            self.machines[self.plan.hosts[0].name].found()
            for machine in self.machines.values():
                machine.start()
            with self.inside():
                self._introduce()
            self._open = undo.pop_all()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._open.close()

    def _introduce(self) -> None:
        """A Sentinel asks for replicas at its start, and then only every ten seconds."""
        until(self._in_step, PATIENCE_SECONDS)
        for machine in self.machines.values():
            machine.kill("sentinel")
            machine.start("sentinel")
        self.wait_in_step()

    def inside(self) -> AbstractContextManager[None]:
        """This thread is a client of the set."""
        return self.network.inside()

    # Faults

    def kill(self, host: str, what: Part = "server") -> None:
        self.machines[host].kill(what)

    def start(self, host: str, *what: Part) -> None:
        self.machines[host].start(*what)

    def pause(self, host: str, what: Part = "server") -> None:
        self.machines[host].pause(what)

    def resume(self, host: str, what: Part = "server") -> None:
        self.machines[host].resume(what)

    def isolate(self, host: str) -> None:
        self.apply(Isolate(host))

    def drop(self, source: str, target: str) -> None:
        self.apply(Drop(source, target))

    def slow(self, host: str, kbit_per_second: int = 2000) -> None:
        self.apply(Slow(host, kbit_per_second))

    def apply(self, fault: Fault) -> None:
        self.network.apply(fault)

    def heal(self) -> None:
        """The network is whole again; what was killed or paused is not touched."""
        self.network.heal()

    def mend(self) -> None:
        """Undo all that was done to them; returns when they are in step again."""
        self.heal()
        for machine in self.machines.values():
            machine.mend()
        self.wait_in_step()

    # What is seen from the client's place

    def connected(
        self, host: str, user: str, *, port: int = 0, address: str = "", **changed: Any
    ) -> redis.Redis:
        """A connection to a data server, or to `port`, as this user; nothing is tried twice."""
        tls = self.folder / "endpoint" / "tls"
        words: dict[str, Any] = {
            "host": address or self.plan.host(host).address,
            "port": port or self.plan.redis_port,
            "username": user,
            "password": getattr(self.plan.passwords, user, ""),
            "socket_timeout": ANSWER_SECONDS,
            "socket_connect_timeout": ANSWER_SECONDS,
            "retry": Retry(NoBackoff(), 0),
            "protocol": 2,
            "ssl": True,
            "ssl_ca_certs": str(tls / "ca.crt"),
            "ssl_certfile": str(tls / "host.crt"),
            "ssl_keyfile": str(tls / "host.key"),
        }
        return redis.Redis(**(words | changed))

    def sentinel(self, host: str, user: str) -> redis.Redis:
        return self.connected(host, user, port=self.plan.sentinel_port)

    def asking(self, host: str) -> Asking:
        """Questions as this host would ask them."""
        return self._asking[host]

    def primary(self) -> str:
        """The host that a majority of Sentinels name; waits until there is one."""
        return str(until(self._primary, PATIENCE_SECONDS))

    def _primary(self) -> str | None:
        named = self.asking(self.plan.hosts[0].name).named_primaries()
        for host in self.plan.hosts:
            if named.count(host.address) >= self.plan.majority:
                return host.name
        return None

    def replicas(self) -> list[str]:
        primary = self.primary()
        return [host.name for host in self.plan.hosts if host.name != primary]

    def fail_over(self) -> None:
        """As a person asks for it, once the primary's own Sentinel takes the order: it waits a
        while after a failover, and looks at replicas only every ten seconds."""

        def accepted() -> bool:
            with suppress(redis.ResponseError):
                return bool(sentinel.execute_command("SENTINEL FAILOVER", self.plan.name))
            return False

        with self.sentinel(self.primary(), "deploy") as sentinel:
            until(accepted)

    def wait_for_failover(self, before: str) -> str:
        """The new primary's name once a majority name it and it says so itself."""

        def turned() -> str | None:
            named = self._primary()
            if named in (None, before):
                return None
            now = self.asking(str(named)).replication()
            return named if now is not None and now.is_primary else None

        return str(until(turned, PATIENCE_SECONDS))

    def wait_in_step(self) -> None:
        """Until all three follow one primary, and each Sentinel knows all of them."""
        until(self._in_step, PATIENCE_SECONDS)
        until(self._acquainted, PATIENCE_SECONDS)

    def _in_step(self) -> bool:
        primary = self._primary()
        if primary is None:
            return False
        for name in self.machines:
            now = self.asking(name).replication()
            if now is None or now.is_primary != (name == primary):
                return False
            if not (now.is_primary or (now.link_up and now.priority)):
                return False
        return True

    def _acquainted(self) -> bool:
        for name in self.machines:
            try:
                with self.sentinel(name, "deploy") as sentinel:
                    about = sentinel.sentinel_masters()[self.plan.name]
            except NOT_ANSWERED:  # it has just been started
                return False
            if (about["num-other-sentinels"], about["num-slaves"]) != (2, 2):
                return False
        return True
