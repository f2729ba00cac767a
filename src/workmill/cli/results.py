"""`workmill pull`: take finished results, each at least once."""

from __future__ import annotations

from typing import Annotated

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import print_json
from workmill.domain import limits
from workmill.wire.messages import CompatibleResult


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("pull")(pull)


def pull(
    top: Annotated[
        int, typer.Option(min=1, max=limits.MAX_PULL_RESULTS, help="The most results to take.")
    ] = 10,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Take the latest finished results: a line of id and value each.

    They are acknowledged once they are printed; if this command dies before that, they come
    back and can be pulled again.
    """
    with connect(url, key_file) as client:
        batch = client.pull(top)
        results = [CompatibleResult(id=item.id, value=item.value.hex()) for item in batch]
        if as_json:
            print_json(results)
        else:
            for result in results:
                typer.echo(f"{result.id} {result.value}")
        if results:
            client.acknowledge(batch)
