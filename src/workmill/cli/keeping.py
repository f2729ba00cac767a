"""`workmill backup` and `restore`: the whole store into a file and back, on a live service."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("backup")(backup)
    app.command("restore")(restore)


def backup(
    file: Annotated[Path, typer.Argument(dir_okay=False, help="Where the copy goes.")],
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Copy everything that the service keeps into FILE, while it runs."""
    with connect(url, key_file) as client, _busy("Copying the store"):
        client.backup(file)
    typer.echo(f"{file} holds a complete, checked copy ({file.stat().st_size:,} bytes).")


def restore(
    file: Annotated[Path, typer.Argument(exists=True, dir_okay=False, help="A backup.")],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Replace everything that the service keeps by the backup in FILE."""
    if not yes and sys.stdin.isatty():
        typer.confirm("Every job that the service keeps now is replaced. Go on?", abort=True)
    with connect(url, key_file) as client, _busy("Restoring the store"):
        client.restore(file)
    typer.echo(f"The service now keeps what {file} holds; running jobs are queued again.")


def _busy(text: str) -> AbstractContextManager[object]:
    """A sign of life on a terminal, nothing in a pipe."""
    if not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(f"{text} …")
