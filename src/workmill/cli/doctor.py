"""`workmill doctor`: what stands in the way on this machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer

from workmill.cli import options
from workmill.cli.console import Styled, print_json, say
from workmill.cli.help_pages import Command
from workmill.domain import limits
from workmill.runtime.config import DEFAULT_HOST, EndpointConfig
from workmill.telemetry.terminal_text import GREEN, RED, YELLOW

if TYPE_CHECKING:
    from workmill.doctor import Report

_COLOURS: Final = {"good": GREEN, "note": YELLOW, "mend": RED}


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("doctor", cls=Command, help=DOCTOR)(doctor)


DOCTOR = "Read this machine and say what to set; exit 1 when something must be mended first."


def doctor(
    data: options.Data = options.DEFAULT_DATA,
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Examine, show, and end by the verdict."""
    from workmill.doctor import examine

    report = examine(EndpointConfig(host=host, port=port, data=str(data)), store or ())
    if as_json:
        print_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.healthy else 1)


def _show(report: Report) -> None:
    for finding in report.findings:
        mark = Styled(f"{finding.verdict:>6}", _COLOURS[finding.verdict])
        say(mark, f"  {finding.name}: {finding.said}")
        if finding.advice:
            say(f"        {finding.advice}")
    say()
    if report.healthy:
        say(f"Nothing stands in the way. Run: {report.command}")
    else:
        say("Mend what is marked `mend` first.")
