"""`workmill submit`, `job`, `jobs`, `cancel`: a job, the list of them, and calling some off."""

from __future__ import annotations

import os
import sys
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import byte_meter, duration, note, print_json
from workmill.cli.following import follow
from workmill.domain import limits

if TYPE_CHECKING:
    from workmill.wire.messages import JobView

Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("submit")(submit)
    app.command("job")(job)
    app.command("jobs")(jobs)
    app.command("cancel")(cancel)


def _readable(file: Path) -> Path:
    """The file, or `-`. Typer's own check does not know what `-` stands for."""
    if str(file) != "-" and not (file.is_file() and os.access(file, os.R_OK)):
        raise typer.BadParameter(f"{str(file)!r} is no file that can be read")
    return file


def submit(
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE|-", callback=_readable, help="The data."),
    ],
    iterations: Annotated[
        int, typer.Option("--iterations", "-n", min=1, help="How often to hash the data.")
    ],
    job_id: Annotated[
        str | None, typer.Option("--id", help="Your own UUID: repeating the submit is harmless.")
    ] = None,
    priority: Annotated[
        int,
        typer.Option(min=limits.MIN_PRIORITY, max=limits.MAX_PRIORITY, help="The highest first."),
    ] = 0,
    workload: Annotated[str, typer.Option(help="What to compute.")] = "sha512",
    fold: Annotated[
        bool,
        typer.Option(
            "--fold", help="Hash the data once here and send 64 bytes: no file is too large."
        ),
    ] = False,
    wait: Wait = False,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Submit a file's bytes, or those of standard input, and print the job's id.

    With --wait, print the value instead, once it is there.
    """
    data = sys.stdin.buffer.read() if str(file) == "-" else file
    with connect(url, key_file) as client:
        with byte_meter(*_journey(file, fold=fold)) as heard:
            handle = client.submit(
                *(data, iterations),
                id=job_id,
                priority=priority,
                workload=workload,
                fold_locally=fold,
                heard=heard,
            )
        if wait:
            _show_end(follow(client, handle.id), as_json=as_json)
        elif as_json:
            print_json(client.job(handle.id))
        else:
            typer.echo(handle.id)


def _journey(file: Path, *, fold: bool) -> tuple[str, int]:
    """What a bar says of the file, and its bytes. Standard input is in memory by then."""
    size = 0 if str(file) == "-" else file.stat().st_size
    return f"{'Folding' if fold else 'Sending'} {file.name}", size


def job(
    job_id: options.JobId,
    wait: Wait = False,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Show one job; with --wait, print its value once it is there."""
    with connect(url, key_file) as client:
        if wait:
            _show_end(follow(client, job_id), as_json=as_json)
            return
        view = client.job(job_id)
    if as_json:
        print_json(view)
    else:
        _describe(view)


def _show_end(view: JobView, *, as_json: bool) -> None:
    if as_json:
        print_json(view)
    elif view.value is not None:
        typer.echo(view.value)
    else:
        note(f"Job {view.id} {view.status}. {view.reason or ''}".rstrip())
    if view.value is None:
        raise typer.Exit(1)


def _describe(view: JobView) -> None:
    facts = {
        "id": view.id,
        "status": view.status if view.delivery is None else f"{view.status}, {view.delivery}",
        "done": f"{view.done:,} of {view.iterations:,} iterations",
        "attempts": view.attempts,
        "ready in": None if view.eta_seconds is None else f"about {duration(view.eta_seconds)}",
        "value": view.value,
        "reason": view.reason,
    }
    for name, fact in facts.items():
        if fact is not None:
            typer.echo(f"{name:>9}  {fact}")


def jobs(
    status: Annotated[str | None, typer.Option(help="Only those with this status.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="The most to show.")] = 20,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """List jobs, newest first."""
    with connect(url, key_file) as client:
        views = list(islice(client.jobs(status=status), limit))
    if as_json:
        print_json(views)
        return
    for view in views:
        percent = 100 * view.done // view.iterations
        typer.echo(f"{view.id}  {view.status:<9}  {percent:>3} %  {view.iterations:>14,}")


def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The jobs' ids, UUIDs.")],
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """End jobs without a result, all in one request.

    One that has ended, or is not there, does not keep the others from being cancelled.
    """
    refused = False
    with connect(url, key_file) as client:
        for reply in client.cancel_many(job_ids):
            if reply.problem is None:
                typer.echo(f"Job {reply.id} is cancelled.")
            else:
                refused = True
                note(reply.problem)
    if refused:
        raise typer.Exit(1)
