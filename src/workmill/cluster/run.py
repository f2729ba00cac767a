"""A cluster from its settings to its drain.

Order: the store, the balancer, endpoints, workers, controllers. Each waits for the one before, and
drains before it.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Final, NamedTuple

import msgspec

from workmill.cluster import haproxy_probe, plan, ports, redis_store
from workmill.cluster.plan import ClusterPlan
from workmill.cluster.programs import find_programs
from workmill.cluster.restart_socket import Restarts
from workmill.cluster.rolling_restart import Rolling
from workmill.cluster.stages import Fleets, stages
from workmill.domain.errors import InvalidInput, Unavailable
from workmill.endpoint.settings import check_exposure
from workmill.redis_hosts.plan import DEFAULT_MEMORY_BYTES, Plan, hosts_at
from workmill.redis_hosts.prepare import passwords_in
from workmill.runtime.config import ClusterConfig
from workmill.runtime.data_directory import directory_of_cluster, tend_directory, unusable
from workmill.runtime.key_file import read_key
from workmill.runtime.machine_limits import check_workers
from workmill.supervisor.supervisor import Stage, Supervisor
from workmill.telemetry.container_limits import Container
from workmill.telemetry.role_start import begin

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
    check_workers(config.workers.min_workers, config.workers.max_workers)
    programs = find_programs()
    key = read_key(config.key_file)
    secret = None if key is None else key.encode()
    check_exposure(config.host, secret, open_without_key=config.open_without_key)
    if config.key_file is not None:
        config = msgspec.structs.replace(config, key_file=str(Path(config.key_file).resolve()))
    ports.check_host(config.host)
    folder = _folder(config)
    with _owned(folder) as directory:
        if config.port == 0:
            port = ports.choose_door(config.host, config.endpoints.max_endpoints + 1)
            config = msgspec.structs.replace(config, port=port)
        cluster = ClusterPlan(
            config=config,
            folder=folder,
            programs=programs,
            balancer_file=haproxy_probe.balancer_file(),
            store=_store_plan(config, folder / "store"),
        )
        _prepare(cluster)
        ready = Ready(cluster.url, config, str(folder))
        return asyncio.run(_supervisor(cluster, directory).run(partial(announce, ready)))


def _supervisor(cluster: ClusterPlan, directory: int) -> Supervisor:
    fleets = Fleets(cluster)
    restarts = Restarts(cluster.folder, lambda: Rolling(cluster, fleets, supervisor.slot).steps())
    directory_stage = Stage(tend=lambda _: tend_directory(cluster.folder, directory))
    supervisor = Supervisor([directory_stage, *stages(cluster, fleets), Stage(tend=restarts.tend)])
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
def _owned(folder: Path) -> Iterator[int]:
    """Hold the directory for ourselves, by this descriptor of it. Raises Unavailable when
    another service has it.

    The lock is on the directory itself, as with the embedded store: no name can be removed under
    it. `lock` in it keeps out a Workmill from before that."""
    with ExitStack() as held:
        try:
            directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            held.callback(os.close, directory)
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
            named = held.enter_context((folder / "lock").open("w"))
            fcntl.flock(named, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Unavailable(
                f"Another service runs on {folder} already. Nothing was started. Stop that one "
                "first, or choose another directory with --data."
            ) from None
        except OSError as error:
            raise unusable(folder, error) from None
        yield directory


def _store_plan(config: ClusterConfig, folder: Path) -> Plan:
    founded = redis_store.founded_plan(folder)
    if founded is None:
        redis_port, sentinel_port = ports.choose_store(
            config.port, config.endpoints.max_endpoints + 1
        )
    else:
        redis_port, sentinel_port = plan.store_ports(founded)
    machine_bytes = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    allowed_bytes = min(machine_bytes, Container().limit_bytes())
    return Plan(
        hosts=hosts_at(list(plan.ADDRESSES)),
        passwords=passwords_in(folder),
        redis_port=redis_port,
        sentinel_port=sentinel_port,
        memory_bytes=int(min(DEFAULT_MEMORY_BYTES, allowed_bytes // 6)),
    )


def _prepare(cluster: ClusterPlan) -> None:
    ports.wait_until_free(plan.listening(cluster))
    try:
        for folder in plan.folders(cluster):
            folder.mkdir(mode=0o700, exist_ok=True)
        redis_store.prepare_store(cluster)
        cluster.slots_file.unlink(missing_ok=True)  # of the run before: its endpoints are gone
    except OSError as error:
        raise unusable(cluster.folder, error) from None
