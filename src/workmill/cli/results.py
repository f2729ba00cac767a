"""`workmill pull`: take finished results, each at least once."""

from __future__ import annotations

from typing import Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import check_output, flush_to_disk, print_json, say
from workmill.cli.help import Command
from workmill.domain import limits
from workmill.wire.messages import CompatibleResult


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("pull", cls=Command, help=PULL)(pull)


PULL = """Take the latest finished results: a line of id and value each.

They are acknowledged once standard output has taken them all (a file: once they are on the disk).
If this command dies before that, they come back after some minutes and can be pulled again."""


def pull(
    top: Annotated[
        int, typer.Option(min=1, max=limits.MAX_PULL_RESULTS, help="The most results to take.")
    ] = 10,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Print, flush, and only then acknowledge. Raises Unwritable, with nothing acknowledged."""
    check_output()
    with connect(url, key_file) as client:
        batch = client.pull(top)
        results = [CompatibleResult(id=item.id, value=item.value.hex()) for item in batch]
        if as_json:
            print_json(results)
        else:
            for result in results:
                say(f"{result.id} {result.value}")
        flush_to_disk()
        if results:
            client.acknowledge(batch)
