"""A cluster on one machine as data: who listens where, what lies where, how each is run. Pure.

    DIR                     locked by who runs it, as is DIR/lock, for a Workmill from before
    DIR/store/              what `redis_hosts prepare` makes; redis-N/data is what one host keeps
    DIR/balancer/           HAProxy's sockets and the slots it starts from
    DIR/log/                what Redis and HAProxy say
    DIR/orders.sock         where controllers order the supervisor about
    DIR/restart.sock        where a person asks for a rolling restart

The public door is at the chosen port, endpoint N at the port N above it, on loopback. The store's
ports are chosen when it is founded and stay, because its Sentinels write them down.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import msgspec

from workmill.controller.balancer import Place
from workmill.endpoint.listener import reached
from workmill.process.children import python_command
from workmill.redis_hosts.plan import Host, Places, Plan
from workmill.redis_hosts.prepare import store_address
from workmill.runtime.child_commands import controller_command, endpoint_command, worker_command
from workmill.runtime.config import (
    ClusterConfig,
    ControllerConfig,
    EndpointConfig,
    WorkerConfig,
)
from workmill.supervisor.death_signal import tied
from workmill.supervisor.processes import Command

ADDRESSES: Final = ("127.0.0.1", "127.0.0.2", "127.0.0.3")
"""Of the store's hosts: on Linux all of 127/8 is loopback."""
LOOPBACK: Final = "127.0.0.1"
NOTICE_SECONDS: Final = 3.0
"""How long an endpoint says that it will drain: HAProxy asks every second."""


class Programs(msgspec.Struct, frozen=True, kw_only=True):
    """What is installed beside Workmill, and as whom HAProxy runs."""

    redis_server: str
    haproxy: str
    user: str
    group: str


class ClusterPlan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole; `folder` is absolute, `store` has no host's own places yet."""

    config: ClusterConfig
    folder: Path
    programs: Programs
    balancer_file: Path
    """HAProxy's configuration, as it is shipped."""
    store: Plan

    @property
    def store_folder(self) -> Path:
        return self.folder / "store"

    @property
    def admin_socket(self) -> Path:
        return self.folder / "balancer" / "admin.sock"

    @property
    def slots_file(self) -> Path:
        return self.folder / "balancer" / "slots"

    @property
    def url(self) -> str:
        """The public door, as processes on this machine reach it."""
        return f"http://{reached(self.config.host)}:{self.config.port}"

    @property
    def endpoint_numbers(self) -> range:
        """Of every endpoint that there may be: one more than the most while one is replaced."""
        return range(1, self.config.endpoints.max_endpoints + 2)

    @property
    def restart_socket(self) -> Path:
        return restart_socket(self.folder)

    @property
    def orders_socket(self) -> Path:
        return self.folder / "orders.sock"

    def endpoint_port(self, number: int) -> int:
        """Of endpoint `number`, from 1."""
        return self.config.port + number

    def endpoint_url(self, number: int) -> str:
        """Of the same, past the balancer."""
        return f"http://{LOOPBACK}:{self.endpoint_port(number)}"

    def endpoint_place(self, number: int) -> Place:
        """The same as the balancer knows it."""
        return Place(LOOPBACK, self.endpoint_port(number))

    @property
    def endpoint_urls(self) -> tuple[str, ...]:
        """Past the balancer, where whoever fills it finds an endpoint when it is empty."""
        return tuple(map(self.endpoint_url, self.endpoint_numbers))


def restart_socket(folder: Path) -> Path:
    """Of the cluster whose data is in this directory."""
    return folder / "restart.sock"


def folders(plan: ClusterPlan) -> list[Path]:
    """Every directory that must be there, outer ones first."""
    hosts = [plan.store_folder / host.name for host in plan.store.hosts]
    inner = [host / name for host in hosts for name in ("data", "sentinel")]
    return [plan.folder / "log", plan.admin_socket.parent, plan.store_folder, *hosts, *inner]


def listening(plan: ClusterPlan) -> list[tuple[str, int]]:
    """Every address and port that its processes will listen on."""
    config, store = plan.config, plan.store
    return [
        (config.host, config.port),
        *((LOOPBACK, plan.endpoint_port(number)) for number in plan.endpoint_numbers),
        *((one.address, port) for one in store.hosts for port in store_ports(store)),
    ]


def store_ports(store: Plan) -> tuple[int, int]:
    """The two ports at each of its hosts' addresses."""
    return store.redis_port, store.sentinel_port


def host_plan(plan: ClusterPlan, host: Host) -> Plan:
    """The store's plan with the places of this host."""
    folder = plan.store_folder / host.name
    places = Places(
        configuration=str(folder),
        data=str(folder / "data"),
        sentinel=str(folder / "sentinel"),
        python=sys.executable,
        redis_server=plan.programs.redis_server,
    )
    return msgspec.structs.replace(plan.store, places=places)


def store_commands(plan: ClusterPlan) -> list[Command]:
    """What the three units of each host run."""
    return [command for host in plan.store.hosts for command in _host_commands(plan, host)]


def _host_commands(plan: ClusterPlan, host: Host) -> list[Command]:
    folder = plan.store_folder / host.name
    own = folder / "sentinel" / "sentinel.conf"
    hosts = python_command("workmill.redis_hosts")
    words = {
        f"{host.name}-sentinel": (plan.programs.redis_server, str(own), "--sentinel"),
        host.name: (*hosts, "start", str(folder)),
        f"{host.name}-watch": (*hosts, "watch", str(folder)),
    }
    return [Command(role, tied(*argv), log=_log(plan, role)) for role, argv in words.items()]


def balancer_command(plan: ClusterPlan) -> Command:
    """HAProxy as it is shipped, as master and worker, as the user who started all this."""
    settings = {
        "WORKMILL_BIND": f"{plan.config.host}:{plan.config.port}",
        "WORKMILL_USER": plan.programs.user,
        "WORKMILL_GROUP": plan.programs.group,
        "WORKMILL_ADMIN": str(plan.admin_socket),
        "WORKMILL_METRICS": str(plan.admin_socket.with_name("figures.sock")),
        "WORKMILL_STATE": str(plan.slots_file),
    }
    words = tied(plan.programs.haproxy, "-q", "-W", "-f", str(plan.balancer_file))
    return Command("balancer", words, settings=tuple(settings.items()), log=_log(plan, "balancer"))


def _log(plan: ClusterPlan, role: str) -> Path:
    return plan.folder / "log" / f"{role}.log"


def endpoint(plan: ClusterPlan, number: int) -> Command:
    """Endpoint `number`, from 1: over the store, and heard by the balancer alone."""
    config = EndpointConfig(
        host=LOOPBACK,
        port=plan.endpoint_port(number),
        store=(store_address(plan.store, str(plan.store_folder / "endpoint")),),
        key_file=plan.config.key_file,
        notice_seconds=NOTICE_SECONDS,
    )
    return endpoint_command(config)


def worker(plan: ClusterPlan) -> Command:
    """A worker, which talks to whatever endpoint the balancer gives it."""
    return worker_command(WorkerConfig(urls=(plan.url,), key_file=plan.config.key_file))


def controllers(plan: ClusterPlan) -> list[Command]:
    """One that leads and one that waits."""
    config = ControllerConfig(
        urls=plan.endpoint_urls,
        key_file=plan.config.key_file,
        workers=plan.config.workers,
        endpoints=plan.config.endpoints,
        orders=str(plan.orders_socket),
        balancer=str(plan.admin_socket),
    )
    command = controller_command(config)
    return [command._replace(role=f"controller-{number}") for number in (1, 2)]
