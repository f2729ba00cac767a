"""`workmill up`: everything that one machine needs, as one supervised whole."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import NamedTuple

import msgspec

from workmill.endpoint.listener import listen, url_of
from workmill.runtime.child_commands import endpoint_command, worker_command
from workmill.runtime.composition import endpoint_settings, where_kept
from workmill.runtime.config import Elastic, UpConfig, WorkerConfig
from workmill.runtime.data_directory import directory_of_up
from workmill.runtime.machine_limits import check_workers, workers_by_itself
from workmill.supervisor.hang_detector import end_hung, health_at
from workmill.supervisor.readiness import until_ready
from workmill.supervisor.supervisor import Stage, Supervisor
from workmill.telemetry.role_start import begin


class Ready(NamedTuple):
    """What there is to announce once the service answers."""

    url: str
    workers: int
    max_workers: int
    kept: str
    """Where the jobs are."""


def run_up(config: UpConfig, announce: Callable[[Ready], None]) -> int:
    """Run the whole until a stop signal; the exit code (see `supervisor`).

    Raises WorkmillError when the settings or the machine do not allow it to start.
    """
    begin("supervisor")
    endpoint_settings(config.endpoint)  # refuses now what the child would refuse later
    wanted = workers_by_itself() if config.workers is None else config.workers
    most = wanted.max_workers if isinstance(wanted, Elastic) else wanted
    least = wanted.min_workers if isinstance(wanted, Elastic) else wanted
    check_workers(least, most)
    with listen(config.endpoint.host, config.endpoint.port) as listener:
        if not config.endpoint.store:
            directory_of_up(config.endpoint.data)
        url = url_of(listener)
        endpoint = msgspec.structs.replace(config.endpoint, listen_fd=listener.fileno())
        worker = WorkerConfig(urls=(url,), key_file=config.endpoint.key_file)
        kept = where_kept(config.endpoint)
        stages = [
            Stage(
                commands=[endpoint_command(endpoint)],
                tend=partial(end_hung, role="endpoint", ask=lambda _: health_at(url)),
                until_ready=partial(until_ready, url),
                waits_for="the endpoint to open its store and be ready",
            ),
            _workers(worker, wanted, alone=not config.endpoint.store),
        ]
        ready = Ready(url, least, most, kept)
        return asyncio.run(Supervisor(stages).run(partial(announce, ready)))


def _workers(worker: WorkerConfig, wanted: int | Elastic, *, alone: bool) -> Stage:
    """The workers of this machine. Who is alone with its store leads, whatever their number, so
    that one that hangs is replaced. A fixed number over a shared store is only kept alive."""
    if isinstance(wanted, int) and alone and wanted:
        wanted = Elastic(min_workers=wanted, max_workers=wanted)
    if isinstance(wanted, int):
        return Stage(commands=[worker_command(worker)] * wanted)
    from workmill.runtime.controller_loop import tend

    return Stage(tend=partial(tend, worker=worker, elastic=wanted))
