"""`workmill demo`: see it work, with every value checked."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import Styled, note, say
from workmill.cli.help_pages import Command
from workmill.telemetry.terminal_text import BOLD_GREEN, BOLD_RED

if TYPE_CHECKING:
    from workmill.demo import Verdict


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("demo", cls=Command, help=DEMO)(demo)


DEMO = """Submit real files of this machine, watch them being computed, check every value.

Exit 1 when any value is wrong or any promise shown does not hold."""


def demo(
    files: Annotated[int, typer.Option(min=1, max=100, help="How many files to submit.")] = 16,
    iterations: Annotated[
        int,
        typer.Option(
            "--iterations",
            "-n",
            min=2,
            callback=options.count,
            help="Iterations of the longest.",
        ),
    ] = 1_000_000,
    url: Annotated[
        list[str] | None,
        typer.Option(
            metavar="URL",
            callback=options.said,
            help="Use this service, not a private one of the demo's own.",
        ),
    ] = None,
    key_file: options.KeyFile = None,
) -> None:
    """Play on a private service, or on the one at --url."""
    from workmill.cli.demo_view import stage
    from workmill.demo import Play, private_service
    from workmill.demo.sample_files import real_files
    from workmill.demo.scratch import scratch

    Path.cwd()  # hashlib's processes begin there, at the end of the play: it must be there
    with ExitStack() as stack:
        if not url:
            place = stack.enter_context(scratch())
            note("Starting a private service on a free port …")
            ready = stack.enter_context(private_service(place))
            note(f"It is ready at {ready.url} with {ready.workers} workers.")
        client = stack.enter_context(connect(url or [ready.url], key_file))
        show = stack.enter_context(stage())
        verdict = Play(client, show, real_files(files), iterations, alone=not url).run()
    _judge(verdict)


def _judge(verdict: Verdict) -> None:
    if verdict.iterations_computed is not None:
        saved = verdict.iterations_asked - verdict.iterations_computed
        say()
        say(
            f"{verdict.iterations_asked:,} iterations were asked for, "
            f"{verdict.iterations_computed:,} computed, {saved:,} saved."
        )
    if verdict.right:
        text = f"All {verdict.values_checked} values are right, and every promise held."
        say(Styled(text, BOLD_GREEN))
        return
    text = (
        f"{verdict.values_wrong} of {verdict.values_checked} values are wrong, and "
        f"{verdict.claims_broken} promises did not hold. Please report this."
    )
    say(Styled(text, BOLD_RED))
    raise typer.Exit(1)
