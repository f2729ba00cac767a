"""The commands put together.

Everything heavy is imported by the command that needs it, so `workmill --help` is quick.
"""

from __future__ import annotations

import typer

from workmill.cli import (
    backup,
    bench,
    cluster,
    demo,
    doctor,
    help_pages,
    jobs,
    pull,
    roles,
    simulate,
    status,
)
from workmill.cli.console import say

app = typer.Typer(
    cls=help_pages.Group,
    help="An elastic, durable work queue for CPU-bound computation.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for group in (
    *(roles, cluster, jobs, pull, status, backup),
    *(doctor, bench, simulate, demo),
):
    group.add_to(app)


@app.callback(invoke_without_command=True)
def about(
    context: typer.Context,
    version: bool = typer.Option(False, "--version", help="Show the version and end."),
) -> None:
    """What holds before any command."""
    if version:
        from workmill import __version__

        say(__version__)
        raise typer.Exit
    help_pages.show_when_alone(context)
