"""`workmill status`: how the service stands, once or until Ctrl-C."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workmill.cli import options
from workmill.cli.connection import PATIENCE_SECONDS, connect
from workmill.cli.console import duration, print_json
from workmill.cli.picture import WIDTH, picture, rows_within
from workmill.domain.errors import WorkmillError
from workmill.domain.job import Node
from workmill.wire.messages import Message, StatsView

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workmill import Client

WATCH_SECONDS: Final = 1.0
WATCH_PATIENCE_SECONDS: Final = 2.0
"""How long a live view waits for each of its two answers: it says that it is old before its figures
are (`limits.READING_SECONDS`)."""


class Status(Message, frozen=True, kw_only=True):
    """What `workmill status --json` prints."""

    service: StatsView
    nodes: list[Node]


def add_to(app: typer.Typer) -> None:
    """Put this command on the command line."""
    app.command("status")(status)


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Again every second.")] = False,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Show the jobs, the predicted wait, and every endpoint, worker and controller."""
    patience_seconds = WATCH_PATIENCE_SECONDS if watch else PATIENCE_SECONDS
    with connect(url, key_file, patience_seconds=patience_seconds) as client:
        if watch and sys.stdout.isatty() and not as_json:
            _watch(client)
            return
        while True:
            found = _look(client)
            if as_json:
                print_json(found)
            else:
                _print(picture(found.service, found.nodes))
            if not watch:
                return
            time.sleep(WATCH_SECONDS)


def _look(client: Client) -> Status:
    return Status(service=client.stats(), nodes=client.nodes())


def _print(view: RenderableType) -> None:
    """In a pipe too the tables are whole: it has no width of its own."""
    from rich.console import Console

    Console(width=None if sys.stdout.isatty() else WIDTH).print(view)


def _watch(client: Client) -> None:
    """The same, redrawn in place. While nobody answers the last view stays, and says so."""
    from rich.live import Live

    found, trouble = _look(client), None
    found_at = time.monotonic()
    with Live(auto_refresh=False) as live:
        while True:
            rows = rows_within(live.console.height, found.nodes)
            live.update(_framed(found, rows, trouble), refresh=True)
            time.sleep(WATCH_SECONDS)
            try:
                found, trouble = _look(client), None
                found_at = time.monotonic()
            except WorkmillError as error:
                age = duration(time.monotonic() - found_at)
                trouble = f"{error.title}. This is how it was {age} ago."


def _framed(found: Status, rows: int, trouble: str | None) -> RenderableType:
    from rich.panel import Panel

    view = picture(found.service, found.nodes, rows=rows, trouble=trouble)
    return Panel(view, title="[bold]Workmill[/]", border_style="cyan", width=WIDTH + 4)
