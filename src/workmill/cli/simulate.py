"""`workmill simulate`: what the scaling policy would do with a load, in virtual time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import options
from workmill.cli.console import note, print_json, say
from workmill.cli.help_pages import Command

if TYPE_CHECKING:
    from workmill.controller.simulation import Report

Shape = Annotated[
    str,
    typer.Argument(
        metavar="SHAPE",
        callback=options.said,
        help="steady, burst, daily, flash-crowd, heavy-tail, dying-nodes or slow-starts.",
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="The same seed gives the same run.")]
Scale = Annotated[
    float,
    typer.Option(
        "--scale",
        min=0.01,
        max=100,
        callback=options.number,
        help="So many times the shape's load.",
    ),
]
StartSeconds = Annotated[
    float | None,
    typer.Option(
        "--start-seconds",
        min=0,
        max=3600,
        callback=options.number,
        help="How long a worker takes to start; the shape's.",
    ),
]
Plot = Annotated[
    Path | None,
    typer.Option(
        "--plot", metavar="FILE", parser=options.path, help="Draw the runs into this SVG file."
    ),
]


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("simulate", cls=Command, help=SIMULATE)(simulate)


SIMULATE = "Play a load shape against the scaling policy in virtual time, and against other rules."


def simulate(
    shape: Shape,
    seed: Seed = 1,
    scale: Scale = 1.0,
    start_seconds: StartSeconds = None,
    plot: Plot = None,
    as_json: options.Json = False,
) -> None:
    """The same seed gives the same run. Raises what `download.look_at` does for --plot."""
    from workmill.client.download import Download, look_at
    from workmill.controller.simulation import simulate as run
    from workmill.controller.simulation import svg

    if plot is not None:
        look_at(plot)
    report, courses = run(shape, seed=seed, scale=scale, start_seconds=start_seconds)
    if plot is not None:
        with Download(plot) as file:
            file.write(svg(report, courses).encode())
        note(f"The picture is in {plot}.")
    if as_json:
        print_json(report)
    else:
        _show(report)


def _show(report: Report) -> None:
    say(
        f"{report.shape}: {report.text}; {report.jobs:,} jobs, seed {report.seed}, "
        f"workers start in {report.start_seconds:g} s"
    )
    say()
    say(f"{'':<26}{'wait p50':>10}{'p95':>10}{'p99':>10}{'worker-s':>12}{'most':>8}")
    for one in report.figures:
        waits = (one.p50_wait_seconds, one.p95_wait_seconds, one.p99_wait_seconds)
        words = "".join(f"{wait:>8.1f} s" for wait in waits)
        say(f"{one.rule:<26}{words}{one.worker_seconds:>12,}{one.most_workers:>8,}")
