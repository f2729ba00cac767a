"""`workmill backup` and `restore`: the whole store into a file and back, on a live service."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import note, say
from workmill.cli.help_pages import Command
from workmill.cli.progress import busy
from workmill.domain.errors import Unavailable
from workmill.telemetry.terminal_text import is_terminal


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("backup", cls=Command, help=BACKUP)(backup)
    app.command("restore", cls=Command, help=RESTORE)(restore)


BACKUP = """Copy everything that the service keeps into FILE, while it runs.

FILE appears when the copy is whole; a file of that name is replaced then, and not before."""

RESTORE = """Replace everything that the service keeps by the backup in FILE.

It asks first; where nobody can be asked, --yes is needed."""


UNCHANGED = "Nothing was changed"
"""What a service says of a restore that it knows has not been carried out."""


def _readable(file: str) -> str:
    """A regular file that can be read; a pipe could not be sent again."""
    path = options.path(file)
    if not path.exists():
        raise typer.BadParameter(f"there is no file {file!r}")
    if not (path.is_file() and os.access(path, os.R_OK)):
        raise typer.BadParameter(f"{file!r} is no regular file that can be read")
    return file


def _target(given: str) -> Path:
    """Where a copy goes. `-` is standard output to whoever pipes it on: a file of that name would
    not be looked for, and what the pipe takes is no backup."""
    if str(given) == "-":
        raise typer.BadParameter(
            "a copy takes its name when it is whole, so it cannot go to standard output. Name a "
            "file (./- for one of that name)"
        )
    return options.path(given)


def backup(
    file: Annotated[
        Path, typer.Argument(metavar="FILE", parser=_target, help="Where the copy goes.")
    ],
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Look at the target, then ask for the copy. Raises what `download.look_at` does."""
    from workmill.client.download import look_at

    look_at(file)
    with connect(url, key_file) as client:
        client.stats()  # any page of any server would do for a copy: this proves who it is
        with busy("Copying the store"):
            client.backup(file)
    say(f"{file} holds a complete, checked copy ({file.stat().st_size:,} bytes).")


def restore(
    file: Annotated[str, typer.Argument(metavar="FILE", callback=_readable, help="A backup.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Ask, then send the backup. Raises Abort when the person says no."""
    if not yes and not is_terminal(sys.stdin):
        raise typer.BadParameter(
            "every job that the service keeps would be replaced, and nobody can be asked here. "
            "Nothing was changed. Say --yes to do it.",
            param_hint="'--yes'",
        )
    with connect(url, key_file) as client:
        jobs = sum(client.stats().stats.jobs.values())  # which proves who it is, too
        if not yes and not _agreed(jobs, file):
            raise typer.Abort
        try:
            with busy("Restoring the store"):
                client.restore(Path(file))
        except Unavailable as error:
            if UNCHANGED not in error.detail:
                note(
                    "Whether the store was replaced may not be known. Look (workmill status) "
                    "before you repeat it: jobs that were submitted since would be lost."
                )
            raise
    say(f"The service now keeps what {file} holds; running jobs are queued again.")


def _agreed(jobs: int, file: str) -> bool:
    """Whether the person at the terminal wants it, knowing what would go."""
    note(f"The service keeps {jobs:,} jobs now. All of them are replaced by what {file} holds.")
    note("Type yes to go on:")
    return sys.stdin.readline().strip().lower() in {"y", "yes"}
