"""The `workmill` command: its groups put together, and the one place that shows errors.

Everything heavy is imported by the command that needs it, so `workmill --help` is quick.
"""

from __future__ import annotations

import sys

import typer

from workmill.cli import (
    benching,
    checking,
    clustering,
    jobs,
    keeping,
    proving,
    results,
    serving,
    simulating,
    watching,
)
from workmill.cli.console import show_error
from workmill.domain.errors import WorkmillError

EXIT_REFUSED = 1

app = typer.Typer(
    help="An elastic, durable work queue for CPU-bound computation.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for group in (
    *(serving, clustering, jobs, results, watching, keeping),
    *(checking, benching, simulating, proving),
):
    group.add_to(app)


@app.callback(invoke_without_command=True)
def about(
    version: bool = typer.Option(False, "--version", help="Show the version and end."),
) -> None:
    """What holds before any command."""
    if version:
        from workmill import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line: exit 0 done, 1 refused or failed, 2 used wrongly."""
    try:
        app()
    except WorkmillError as error:
        show_error(error)
        sys.exit(EXIT_REFUSED)


if __name__ == "__main__":
    main()
