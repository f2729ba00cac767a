"""`workmill bench kernel`: how fast one core of this machine is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from workmill.cli import options
from workmill.cli.console import print_json

if TYPE_CHECKING:
    from workmill.workloads.sha512.bench import KernelFigures


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    bench = typer.Typer(help="Measure this machine.", no_args_is_help=True)
    bench.command("kernel")(kernel)
    bench.callback()(lambda: None)  # keeps `kernel` a word of its own while it is the only one
    app.add_typer(bench, name="bench")


def kernel(as_json: options.Json = False) -> None:
    """Iterations per second of one core: a hashlib loop, one chain, all lanes, and the ratios."""
    from workmill.workloads.sha512.bench import measure

    figures = measure()
    if as_json:
        print_json(figures)
    else:
        _show(figures)


def _show(figures: KernelFigures) -> None:
    typer.echo(f"{figures.processor}; medians of {figures.pairs} alternating pairs, one core\n")
    _line("hashlib loop", figures.hashlib_hz, 1.0, "")
    if figures.openssl_hz is not None:
        _line(
            "OpenSSL blocks in C", figures.openssl_hz, figures.openssl_hz / figures.hashlib_hz, ""
        )
    _line("one chain", figures.one_chain_hz, figures.one_chain_times_hashlib, "")
    for name, variant in figures.variants.items():
        mark = "  <- used here" if name == figures.kernel else ""
        _line(f"{name}, {variant.lanes} lanes", variant.hz, variant.times_hashlib, mark)


def _line(name: str, rate_hz: float, ratio: float, mark: str) -> None:
    typer.echo(f"{name:<22} {rate_hz:>14,.0f} iterations/s  {ratio:>5.1f} x{mark}")
