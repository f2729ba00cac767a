"""`workmill doctor` and `bench`: what this machine is good for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from workmill.cli import options
from workmill.cli.console import print_json
from workmill.domain import limits
from workmill.runtime.config import DEFAULT_HOST, EndpointConfig

if TYPE_CHECKING:
    from workmill.runtime.doctor import Report

_COLOURS: Final = {"good": "green", "note": "yellow", "mend": "red"}


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    app.command("doctor")(doctor)


def doctor(
    data: options.Data = options.DEFAULT_DATA,
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    as_json: options.Json = False,
) -> None:
    """Read this machine and say what to set; exit 1 when something must be mended first."""
    from workmill.runtime.doctor import examine

    report = examine(EndpointConfig(host=host, port=port, data=str(data)))
    if as_json:
        print_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.healthy else 1)


def _show(report: Report) -> None:
    for finding in report.findings:
        mark = typer.style(f"{finding.verdict:>6}", fg=_COLOURS[finding.verdict])
        typer.echo(f"{mark}  {finding.name}: {finding.said}")
        if finding.advice:
            typer.echo(f"        {finding.advice}")
    typer.echo()
    if report.healthy:
        typer.echo(f"Nothing stands in the way. Run: {report.command}")
    else:
        typer.echo("Mend what is marked `mend` first.")
