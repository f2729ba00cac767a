"""`workmill cluster`: the whole service on one machine, nothing in it single but the machine."""

from __future__ import annotations

from shlex import quote
from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import options
from workmill.cli.console import announce, say
from workmill.cli.help_pages import Command, ServiceCommand
from workmill.cli.roles import CoolDown, Count, TargetWait, count_of
from workmill.domain import limits
from workmill.runtime.config import (
    DEFAULT_HOST,
    ClusterConfig,
    Elastic,
    ElasticEndpoints,
)
from workmill.runtime.machine_limits import workers_by_itself

if TYPE_CHECKING:
    from workmill.cluster.run import Ready

MAX_ENDPOINTS = 63
"""The balancer has a slot more: for the new one, while one is replaced."""
MAX_PORT = 65_535

Endpoints = Annotated[
    Count,
    typer.Option(
        "--endpoints",
        parser=count_of,
        metavar="MIN:MAX",
        help="Endpoint processes, at the ports after --port; as many as the load asks for.",
    ),
]
Workers = Annotated[
    Count,
    typer.Option(
        "--workers",
        parser=count_of,
        metavar="MIN:MAX|auto",
        help="Worker processes; as many as the load asks for. auto is from 1 to one a core, "
        "as memory allows.",
    ),
]


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("cluster", cls=ServiceCommand, help=CLUSTER)(cluster)
    app.command("restart", cls=Command, help=RESTART)(restart)


CLUSTER = """Run three store hosts, a balancer, endpoints and workers here, as one service.

Any process of it may die, the primary of the store included: it is replaced, and nothing
acknowledged is lost. Ctrl-C drains it; a second one ends everything at once."""
RESTART = """Replace every process of the cluster on --data, one after the other, while it serves.

The supervisor alone stays. A step that does not become healthy stops it."""


def cluster(
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    data: options.Data = options.DEFAULT_CLUSTER_DATA,
    endpoints: Endpoints = "2:4",  # type: ignore[assignment]  # Typer parses defaults too
    workers: Workers = "auto",  # type: ignore[assignment]
    target_wait: TargetWait = limits.TARGET_WAIT_SECONDS,
    cool_down: CoolDown = limits.COOL_DOWN_SECONDS,
    key_file: options.KeyFile = None,
    open_without_key: options.OpenWithoutKey = False,
) -> None:
    """Supervise all of it until a stop signal. Raises BadParameter."""
    from workmill.cluster.run import run_cluster

    least, most = endpoints.least, endpoints.most
    if not least or not most or most > MAX_ENDPOINTS:
        raise typer.BadParameter(f"--endpoints is from 1 to {MAX_ENDPOINTS}, as in 2:4")
    if port + most + 1 > MAX_PORT:
        raise typer.BadParameter(
            f"the endpoints have the ports after --port, and {port} leaves too few for {most}"
        )
    config = ClusterConfig(
        host=host,
        port=port,
        data=str(data),
        endpoints=ElasticEndpoints(
            min_endpoints=least, max_endpoints=most, cool_down_seconds=cool_down
        ),
        workers=Elastic(
            min_workers=1 if workers.least is None else workers.least,
            max_workers=workers_by_itself() if workers.most is None else workers.most,
            target_wait_seconds=target_wait,
            cool_down_seconds=cool_down,
        ),
        key_file=options.text_of(key_file),
        open_without_key=open_without_key,
    )
    raise typer.Exit(run_cluster(config, _announce))


def restart(data: options.Data = options.DEFAULT_CLUSTER_DATA) -> None:
    """Ask the supervisor, and say each step when it is done."""
    from workmill.cluster.restart_socket import ask_restart

    for step in ask_restart(data.resolve()):
        say(step)
    say("Everything was restarted.")


def _announce(ready: Ready) -> None:
    config = ready.config
    endpoints = _span(config.endpoints.min_endpoints, config.endpoints.max_endpoints)
    workers = _span(config.workers.min_workers, config.workers.max_workers)
    key = f" --key-file {quote(config.key_file)}" if config.key_file else ""
    announce(
        f"Workmill is ready at {ready.url} with {endpoints} endpoints and {workers} workers; jobs "
        f"are kept in {ready.kept}. Watch it: workmill status --watch --url {ready.url}{key}"
    )


def _span(least: int, most: int) -> str:
    return str(least) if least == most else f"{least} to {most}"
