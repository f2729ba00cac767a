"""A cluster from its settings to its drain.

Order: the store, the balancer, endpoints, workers, controllers. Each waits for the one before, and
drains before it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from workmill.domain.errors import InvalidInput, Unavailable
from workmill.endpoint.settings import check_exposure
from workmill.runtime.cluster import balancer, plan, ports, store
from workmill.runtime.cluster.plan import ClusterPlan
from workmill.runtime.cluster.programs import find_programs
from workmill.runtime.cluster.restarting import Restarts
from workmill.runtime.cluster.rolling import Rolling
from workmill.runtime.cluster.stages import Fleets, stages
from workmill.runtime.config import ClusterConfig, check_workers
from workmill.runtime.data_directory import directory_of_cluster, unusable
from workmill.runtime.keys import read_key
from workmill.runtime.redis_hosts.plan import DEFAULT_MEMORY_BYTES, Plan, hosts_at
from workmill.runtime.redis_hosts.preparing import passwords_in
from workmill.runtime.role import begin
from workmill.runtime.supervisor import Stage, Supervisor

MAX_FOLDER_CHARACTERS: Final = 70
"""The longest socket in it must fit into a socket's address, 107 bytes, with what HAProxy adds."""
FORBIDDEN: Final = "&%+\"'\\"
"""They end or change a word in a store's address or in the configuration of Redis, as blanks do."""


class Ready(NamedTuple):
    """What there is to announce once the service answers."""

    url: str
    config: ClusterConfig
    kept: str
    """Where the jobs are."""


def run_cluster(config: ClusterConfig, announce: Callable[[Ready], None]) -> int:
    """Run the whole until a stop signal; the exit code (see `supervisor`).

    Raises WorkmillError when the settings or the machine do not allow it to start.
    """
    begin("supervisor")
    check_workers(config.workers.max_workers)
    programs = find_programs()
    key = read_key(config.key_file)
    secret = None if key is None else key.encode()
    check_exposure(config.host, secret, open_without_key=config.open_without_key)
    if config.key_file is not None:
        config = msgspec.structs.replace(config, key_file=str(Path(config.key_file).resolve()))
    ports.check_host(config.host)
    folder = _folder(config)
    with _owned(folder):
        if config.port == 0:
            port = ports.choose_door(config.host, config.endpoints.max_endpoints + 1)
            config = msgspec.structs.replace(config, port=port)
        cluster = ClusterPlan(
            config=config,
            folder=folder,
            programs=programs,
            balancer_file=balancer.balancer_file(),
            store=_store_plan(config, folder / "store"),
        )
        _prepare(cluster)
        ready = Ready(cluster.url, config, str(folder))
        return asyncio.run(_supervisor(cluster).run(partial(announce, ready)))


def _supervisor(cluster: ClusterPlan) -> Supervisor:
    fleets = Fleets(cluster)
    restarts = Restarts(cluster.folder, lambda: Rolling(cluster, fleets, supervisor.slot).steps())
    supervisor = Supervisor([*stages(cluster, fleets), Stage(tend=restarts.tend)])
    return supervisor


def _folder(config: ClusterConfig) -> Path:
    folder = directory_of_cluster(config.data)
    if len(str(folder).encode()) > MAX_FOLDER_CHARACTERS:
        raise InvalidInput(
            f"The path of {folder} is too long for the sockets in it. Nothing was started. "
            f"Choose one of at most {MAX_FOLDER_CHARACTERS} characters with --data."
        )
    if any(one in FORBIDDEN or one.isspace() or not one.isprintable() for one in str(folder)):
        raise InvalidInput(
            f"The path {str(folder)!r} cannot stand in the files of the store. Nothing was "
            f"started. Choose one without blanks and without {' '.join(FORBIDDEN)} with --data."
        )
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise unusable(folder, error) from None
    return folder


@contextmanager
def _owned(folder: Path) -> Iterator[None]:
    """Hold the directory for ourselves. Raises Unavailable when another cluster has it."""
    try:
        opened = (folder / "lock").open("w")
    except OSError as error:
        raise unusable(folder, error) from None
    with opened as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise Unavailable(
                f"A cluster runs on {folder} already. Nothing was started. Stop that one first, "
                "or choose another directory with --data."
            ) from None
        yield


def _store_plan(config: ClusterConfig, folder: Path) -> Plan:
    founded = store.founded_plan(folder)
    if founded is None:
        redis_port, sentinel_port = ports.choose_store(
            config.port, config.endpoints.max_endpoints + 1
        )
    else:
        redis_port, sentinel_port = plan.store_ports(founded)
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return Plan(
        hosts=hosts_at(list(plan.ADDRESSES)),
        passwords=passwords_in(folder),
        redis_port=redis_port,
        sentinel_port=sentinel_port,
        memory_bytes=min(DEFAULT_MEMORY_BYTES, machine_bytes // 6),
    )


def _prepare(cluster: ClusterPlan) -> None:
    ports.wait_until_free(plan.listening(cluster))
    try:
        for folder in plan.folders(cluster):
            folder.mkdir(mode=0o700, exist_ok=True)
        store.prepare_store(cluster)
        cluster.slots_file.unlink(missing_ok=True)  # of the run before: its endpoints are gone
    except OSError as error:
        raise unusable(cluster.folder, error) from None
