"""`workmill submit`, `job`, `jobs`, `cancel`: a job, the list of them, and calling some off."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import inputs, options
from workmill.cli.connection import connect
from workmill.cli.console import Unwritable, duration, note, print_json, say
from workmill.cli.help_pages import Command
from workmill.cli.progress import byte_meter
from workmill.cli.wait import follow
from workmill.domain import limits
from workmill.domain.errors import Unavailable

if TYPE_CHECKING:
    from workmill import Client
    from workmill.wire.messages import JobView

Data = Annotated[
    str,
    typer.Argument(
        metavar="FILE|-",
        callback=inputs.existing,
        help="The data; - is standard input, and ./- a file of that name.",
    ),
]
Iterations = Annotated[
    int,
    typer.Option(
        "--iterations",
        "-n",
        min=1,
        metavar="N",
        callback=options.count,
        help="How often to hash the data.",
    ),
]
OwnId = Annotated[
    str | None,
    typer.Option(
        "--id",
        metavar="UUID",
        callback=options.said,
        help="Your own: repeating the submit is harmless.",
    ),
]
Priority = Annotated[
    int,
    typer.Option(min=limits.MIN_PRIORITY, max=limits.MAX_PRIORITY, help="The highest first."),
]
Fold = Annotated[
    bool,
    typer.Option("--fold", help="Hash the data once here and send 64 bytes: no file is too large."),
]
Wait = Annotated[bool, typer.Option("--wait", help="Wait until the job has ended.")]


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("submit", cls=Command, help=SUBMIT)(submit)
    app.command("job", cls=Command, help=JOB)(job)
    app.command("jobs", cls=Command, help=JOBS)(jobs)
    app.command("cancel", cls=Command, help=CANCEL)(cancel)


SUBMIT = """Submit a file's bytes, or those of standard input (-), and print the job's id.

With --wait, print the value instead, once it is there."""
JOB = "Show one job; with --wait, print its value once it is there."
JOBS = "List jobs, newest first."
CANCEL = """End jobs without a result, all in one request.

One that has ended, or is not there, does not keep the others from being cancelled."""


def submit(
    file: Data,
    iterations: Iterations,
    job_id: OwnId = None,
    priority: Priority = 0,
    workload: Annotated[
        str, typer.Option(callback=options.said, help="What to compute.")
    ] = "sha512",
    fold: Fold = False,
    wait: Wait = False,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Submit under an id that was chosen here, so that it can be told whatever happens."""
    from workmill.domain.ids import id_text, new_id

    chosen = job_id or id_text(new_id())
    with connect(url, key_file) as client:
        found = inputs.opened(file)
        with _telling(chosen), byte_meter(_journey(file, fold=fold), found.size_bytes) as heard:
            handle = client.submit(
                *(found.data, iterations),
                id=chosen,
                priority=priority,
                workload=workload,
                fold_locally=fold,
                heard=heard,
            )
        try:
            _show_submitted(client, handle.id, wait=wait, as_json=as_json)
        except Unwritable:
            note(f"Job {handle.id} is submitted.")
            raise


def _show_submitted(client: Client, job_id: str, *, wait: bool, as_json: bool) -> None:
    if wait:
        _show_end(follow(client, job_id), as_json=as_json)
    elif as_json:
        print_json(client.job(job_id))
    else:
        say(job_id)


@contextmanager
def _telling(job_id: str) -> Iterator[None]:
    """When it is not known whether the job was taken, the person learns how to ask again."""
    try:
        yield
    except (Unavailable, KeyboardInterrupt):
        note(f"The job may have been taken. Submit it again with --id {job_id}: it stays one job.")
        raise


def _journey(file: str, *, fold: bool) -> str:
    """What a bar says of the file."""
    return f"{'Folding' if fold else 'Sending'} {Path(file).name}"


def job(
    job_id: options.JobId,
    wait: Wait = False,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Ask once, or follow it to its end."""
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
        say(view.value)
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
            say(f"{name:>9}  {fact}")


def jobs(
    status: Annotated[
        str | None, typer.Option(callback=options.said, help="Only those with this status.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, callback=options.count, help="The most to show.")
    ] = 20,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Fetch pages until there are enough."""
    with connect(url, key_file) as client:
        views = list(islice(client.jobs(status=status), limit))
    if as_json:
        print_json(views)
        return
    for view in views:
        percent = 100 * view.done // view.iterations
        say(f"{view.id}  {view.status:<9}  {percent:>3} %  {view.iterations:>14,}")


def cancel(
    job_ids: Annotated[list[str], typer.Argument(metavar="ID...", help="The jobs' ids, UUIDs.")],
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """One request; exit 1 when any was refused."""
    refused = False
    with connect(url, key_file) as client:
        for reply in client.cancel_many(job_ids):
            if reply.problem is None:
                say(f"Job {reply.id} is cancelled.")
            else:
                refused = True
                note(reply.problem)
    if refused:
        raise typer.Exit(1)
