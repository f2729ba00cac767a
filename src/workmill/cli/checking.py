"""`workmill doctor`: what stands in the way on this machine."""

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
    """Put this command on the command line."""
    app.command("doctor")(doctor)
    bench = typer.Typer(help="Measure what this machine does.", no_args_is_help=True)
    bench.command("kernel")(bench_kernel)
    bench.callback()(_benches)
    app.add_typer(bench, name="bench")


def doctor(
    data: options.Data = options.DEFAULT_DATA,
    host: options.Host = DEFAULT_HOST,
    port: options.Port = limits.PORT,
    store: options.Store = None,
    as_json: options.Json = False,
) -> None:
    """Read this machine and say what to set; exit 1 when something must be mended first."""
    from workmill.runtime.doctor import examine

    report = examine(EndpointConfig(host=host, port=port, data=str(data)), store or ())
    if as_json:
        print_json(report)
    else:
        _show(report)
    raise typer.Exit(0 if report.healthy else 1)


def _benches() -> None:
    """Measure what this machine does."""


def bench_kernel(as_json: options.Json = False) -> None:
    """Measure the kernel on one core against hashlib and OpenSSL; takes about ten seconds."""
    from workmill.workloads.sha512.bench import measure

    figures = measure()
    if as_json:
        print_json(figures)
        return
    typer.echo(f"{figures.processor}, one core, kernel {figures.kernel}")
    typer.echo(f"{'hashlib loop':>14} {figures.hashlib_hz:12,.0f} iterations/s")
    if figures.openssl_hz:
        typer.echo(f"{'OpenSSL blocks':>14} {figures.openssl_hz:12,.0f} iterations/s")
    one, times = figures.one_chain_hz, figures.one_chain_times_hashlib
    typer.echo(f"{'one chain':>14} {one:12,.0f} iterations/s, {times:.2f} times hashlib")
    for name, found in figures.variants.items():
        openssl = f", {found.times_openssl:.2f} times OpenSSL" if found.times_openssl else ""
        typer.echo(
            f"{name:>14} {found.hz:12,.0f} iterations/s, {found.times_hashlib:.2f} times hashlib"
            f"{openssl}, {found.lanes} lanes"
        )


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
