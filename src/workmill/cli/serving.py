"""`workmill up`, `endpoint`, `worker`: the processes of the service."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import options
from workmill.domain import limits
from workmill.runtime.config import (
    DEFAULT_HOST,
    MAX_WORKERS,
    EndpointConfig,
    UpConfig,
    WorkerConfig,
)

if TYPE_CHECKING:
    from workmill.runtime.up import Ready


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("up")(up)
    app.command("endpoint")(endpoint)
    app.command("worker")(worker)


def _count(text: str) -> int:
    """`--workers`: a number, or -1 for `auto`."""
    if text == "auto":
        return -1
    if not (text.isascii() and text.isdigit() and int(text) <= MAX_WORKERS):
        raise typer.BadParameter(f"{text!r} is neither `auto` nor a number up to {MAX_WORKERS}")
    return int(text)


Workers = Annotated[
    int,
    typer.Option(
        "--workers", parser=_count, metavar="N|auto", help="Worker processes; auto is one a core."
    ),
]


def up(
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    data: options.Data = options.DEFAULT_DATA,
    store: options.Store = None,
    durability: options.Durability = None,
    workers: Workers = "auto",  # type: ignore[assignment]  # Typer parses defaults too
    key_file: options.KeyFile = None,
    open_without_key: options.OpenWithoutKey = False,
    max_body_bytes: options.MaxBodyBytes = limits.MAX_BODY_BYTES,
    max_iterations: options.MaxIterations = limits.MAX_ITERATIONS,
) -> None:
    """Run the whole service on this machine: an endpoint, its store, and workers.

    Ctrl-C drains it: work in progress is handed back with its checkpoint and kept. A second
    Ctrl-C ends everything at once; nothing acknowledged is lost by that either.
    """
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
    config = UpConfig(endpoint=settings, workers=None if workers < 0 else workers)
    raise typer.Exit(run_up(config, _announce))


def _announce(ready: Ready) -> None:
    workers = "1 worker" if ready.workers == 1 else f"{ready.workers} workers"
    typer.echo(f"Workmill is ready at {ready.url} with {workers}; jobs are kept in {ready.kept}.")


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
    """Run one endpoint and its store, without workers."""
    from workmill.runtime.compose import run_endpoint

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
    """Run one worker, which keeps one core busy with the work of the service at --url."""
    from workmill.runtime.compose import run_worker

    run_worker(WorkerConfig(urls=tuple(url), key_file=options.text_of(key_file)))
