"""`workmill pull`: take finished results, each at least once."""

from __future__ import annotations

import errno
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import (
    Unwritable,
    check_output,
    flush_to_disk,
    note,
    print_json,
    say,
)
from workmill.cli.help_pages import Command
from workmill.cli.output_reader import Reader
from workmill.domain import limits
from workmill.wire.messages import CompatibleResult


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("pull", cls=Command, help=PULL)(pull)


PULL = """Take the latest finished results: a line of id and value each.

Each is acknowledged once it has arrived: in a file on the disk, or with who reads the pipe. What
was not taken comes back after some minutes and can be pulled again."""


def pull(
    top: Annotated[
        int, typer.Option(min=1, max=limits.MAX_PULL_RESULTS, help="The most results to take.")
    ] = 10,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Print, and acknowledge what was taken. Raises Unwritable for the rest, which comes back."""
    check_output()
    with connect(url, key_file) as client:
        batch = client.pull(top)
        results = [CompatibleResult(id=item.id, value=item.value.hex()) for item in batch]
        taken, failure = _hand_over(results, as_json=as_json)
        if taken:
            ids = [result.id for result in results[:taken]]
            client.acknowledge(batch, ids if taken < len(results) else None)
    if failure is not None:
        if failure.cause.errno != errno.EPIPE:
            note(
                f"{len(results) - taken:,} results were not taken; they can be pulled again later."
            )
        raise failure


def _hand_over(
    results: Sequence[CompatibleResult], *, as_json: bool
) -> tuple[int, Unwritable | None]:
    """Print them; how many of them, from the first on, were taken, and why not all."""
    reader, taken = Reader(sys.stdout), 0
    try:
        if as_json:
            print_json(results)
        else:
            for number, result in enumerate(results, start=1):
                say(f"{result.id} {result.value}")
                taken = number if reader.has_taken_all() else taken
        reader.has_taken_all()
        flush_to_disk()
    except Unwritable as failure:
        return taken, failure
    return len(results), None
