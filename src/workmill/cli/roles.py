"""`workmill up`, `endpoint`, `worker`, `controller`: the processes of the service."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import options
from workmill.cli.console import announce
from workmill.cli.help_pages import ServiceCommand
from workmill.domain import limits
from workmill.runtime.config import (
    DEFAULT_HOST,
    Cloud,
    ControllerConfig,
    Elastic,
    EndpointConfig,
    UpConfig,
    WorkerConfig,
)

if TYPE_CHECKING:
    from workmill.runtime.up import Ready


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("up", cls=ServiceCommand, help=UP)(up)
    app.command("endpoint", cls=ServiceCommand, help=ENDPOINT)(endpoint)
    app.command("worker", cls=ServiceCommand, help=WORKER)(worker)
    app.command("controller", cls=ServiceCommand, help=CONTROLLER)(controller)


UP = """Run the whole service on this machine: an endpoint, its store, and workers.

Ctrl-C drains it: work in progress is handed back with its checkpoint and kept. A second
Ctrl-C ends everything at once; nothing acknowledged is lost by that either."""
ENDPOINT = "Run one endpoint and its store, without workers."
WORKER = "Run one worker, which keeps one core busy with the work of the service at --url."
CONTROLLER = """Run one controller of a service: for workers on EC2, for HAProxy, or both.

Run two or three: one leads, the others wait."""


@dataclass(frozen=True, slots=True)
class Count:
    """What `--workers` says: from so many to so many, or one a core when nothing is said."""

    least: int | None = None
    most: int | None = None


def count_of(text: str) -> Count:
    """`--workers`: a number, two for an elastic service, or `auto`."""
    if text == "auto":
        return Count()
    least, _, most = text.partition(":")
    bounds = [least, most] if ":" in text else [least, least]
    if not all(
        one.isascii() and one.isdigit() and int(one) <= limits.MAX_WORKERS for one in bounds
    ):
        raise typer.BadParameter(
            f"{text!r} is neither `auto` nor a number up to {limits.MAX_WORKERS} nor two as in 1:4"
        )
    count = Count(*map(int, bounds))
    if int(bounds[0]) > int(bounds[1]):
        raise typer.BadParameter(f"{text!r}: the first number is the least, the second the most")
    return count


Workers = Annotated[
    Count,
    typer.Option(
        "--workers",
        parser=count_of,
        metavar="N|MIN:MAX|auto",
        help="Worker processes; MIN:MAX follows the load, auto is one a core, as memory allows.",
    ),
]
TargetWait = Annotated[
    float,
    typer.Option(
        "--target-wait",
        callback=options.number,
        min=0.1,
        max=86400,
        metavar="SECONDS",
        help="With MIN:MAX: how long a job may wait for a worker.",
    ),
]
CoolDown = Annotated[
    float,
    typer.Option(
        "--cool-down",
        callback=options.number,
        min=0,
        max=3600,
        metavar="SECONDS",
        help="With MIN:MAX: how long the load must have been lower before a worker drains.",
    ),
]


def up(
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    data: options.Data = options.DEFAULT_DATA,
    store: options.Store = None,
    durability: options.Durability = None,
    workers: Workers = "auto",  # type: ignore[assignment]  # Typer parses defaults too
    target_wait: TargetWait = limits.TARGET_WAIT_SECONDS,
    cool_down: CoolDown = limits.COOL_DOWN_SECONDS,
    key_file: options.KeyFile = None,
    open_without_key: options.OpenWithoutKey = False,
    max_body_bytes: options.MaxBodyBytes = limits.MAX_BODY_BYTES,
    max_iterations: options.MaxIterations = limits.MAX_ITERATIONS,
) -> None:
    """Supervise all of it until a stop signal; its exit code is this command's."""
    from workmill.runtime.up import run_up

    settings = EndpointConfig(
        host=host,
        port=port,
        data=str(data),
        store=tuple(store or ()),
        durability=durability,
        key_file=options.text_of(key_file),
        open_without_key=open_without_key,
        max_body_bytes=max_body_bytes,
        max_iterations=max_iterations,
    )
    wanted: int | Elastic | None = workers.least
    if workers.least is not None and workers.most is not None and workers.most > workers.least:
        wanted = Elastic(
            min_workers=workers.least,
            max_workers=workers.most,
            target_wait_seconds=target_wait,
            cool_down_seconds=cool_down,
        )
    raise typer.Exit(run_up(UpConfig(endpoint=settings, workers=wanted), _announce))


def _announce(ready: Ready) -> None:
    workers = "1 worker" if ready.workers == 1 else f"{ready.workers} workers"
    if ready.max_workers > ready.workers:
        workers = f"{ready.workers} to {ready.max_workers} workers"
    announce(f"Workmill is ready at {ready.url} with {workers}; jobs are kept in {ready.kept}.")


def endpoint(
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    data: options.Data = options.DEFAULT_DATA,
    store: options.Store = None,
    durability: options.Durability = None,
    key_file: options.KeyFile = None,
    open_without_key: options.OpenWithoutKey = False,
    max_body_bytes: options.MaxBodyBytes = limits.MAX_BODY_BYTES,
    max_iterations: options.MaxIterations = limits.MAX_ITERATIONS,
    notice_seconds: options.NoticeSeconds = 0.0,
) -> None:
    """Serve until a stop signal."""
    from workmill.runtime.composition import run_endpoint

    run_endpoint(
        EndpointConfig(
            host=host,
            port=port,
            data=str(data),
            store=tuple(store or ()),
            durability=durability,
            key_file=options.text_of(key_file),
            open_without_key=open_without_key,
            max_body_bytes=max_body_bytes,
            max_iterations=max_iterations,
            notice_seconds=notice_seconds,
        )
    )


def worker(url: options.Url = options.DEFAULT_URLS, key_file: options.KeyFile = None) -> None:
    """Compute until a stop signal."""
    from workmill.runtime.composition import run_worker

    run_worker(WorkerConfig(urls=tuple(url), key_file=options.text_of(key_file)))


def controller(
    cluster: Annotated[
        str | None,
        typer.Option("--cluster", callback=options.said, help="On EC2: the tag of its machines."),
    ] = None,
    region: Annotated[str, typer.Option("--region", help="On EC2: where they are.")] = "",
    subnets: Annotated[
        str,
        typer.Option(
            "--subnets", metavar="ID,ID,ID", help="On EC2: one a zone, to spread them over."
        ),
    ] = "",
    workers: Workers = "1:1",  # type: ignore[assignment]  # Typer parses defaults too
    target_wait_seconds: TargetWait = limits.TARGET_WAIT_SECONDS,
    cool_down_seconds: CoolDown = limits.COOL_DOWN_SECONDS,
    balancer: Annotated[
        Path | None,
        typer.Option(
            "--balancer",
            metavar="SOCKET",
            parser=options.path,
            help="HAProxy's admin socket: every endpoint that beats is served.",
        ),
    ] = None,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
    ec2_url: Annotated[
        str | None,
        typer.Option(
            "--ec2-url", metavar="URL", callback=options.said, help="Another EC2: a rehearsal."
        ),
    ] = None,
) -> None:
    """Judge and order until a stop signal. Raises BadParameter."""
    from workmill.runtime.controller_process import run_controller

    if workers.least is None or workers.most is None:
        raise typer.BadParameter("a cluster has no `auto`: say --workers MIN:MAX")
    if cluster and not (region and subnets):
        raise typer.BadParameter("--cluster needs --region and --subnets")
    elastic = Elastic(
        min_workers=workers.least,
        max_workers=workers.most,
        target_wait_seconds=target_wait_seconds,
        cool_down_seconds=cool_down_seconds,
    )
    cloud = Cloud(
        cluster=cluster or "", region=region, subnets=tuple(subnets.split(",")), ec2_url=ec2_url
    )
    run_controller(
        ControllerConfig(
            urls=tuple(url),
            key_file=options.text_of(key_file),
            workers=elastic if cluster else None,
            cloud=cloud if cluster else None,
            balancer=options.text_of(balancer),
        )
    )
