"""`workmill bench kernel`: how fast one core of this machine is."""

from __future__ import annotations

from typing import TYPE_CHECKING

import typer

from workmill.cli import help_pages as pages
from workmill.cli import options
from workmill.cli.console import print_json, say

if TYPE_CHECKING:
    from workmill.workloads.sha512.bench import KernelFigures


def add_to(app: typer.Typer) -> None:
    """Put these commands on the command line."""
    bench = typer.Typer(cls=pages.Group, help="Measure this machine.", rich_markup_mode=None)
    bench.command("kernel", cls=pages.Command, help=KERNEL)(kernel)
    bench.callback(invoke_without_command=True)(benches)
    app.add_typer(bench, name="bench")


KERNEL = "Iterations per second of one core: a hashlib loop, one chain, all lanes, and the ratios."


def benches(context: typer.Context) -> None:
    """Without a name: which there are. It keeps `kernel` a word of its own while it is the only
    one."""
    pages.show_when_alone(context)


def kernel(as_json: options.Json = False) -> None:
    """Takes about ten seconds."""
    from workmill.workloads.sha512.bench import measure

    figures = measure()
    if as_json:
        print_json(figures)
    else:
        _show(figures)


def _show(figures: KernelFigures) -> None:
    say(f"{figures.processor}; medians of {figures.pairs} alternating pairs, one core")
    say()
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
    say(f"{name:<22} {rate_hz:>14,.0f} iterations/s  {ratio:>5.1f} x{mark}")
