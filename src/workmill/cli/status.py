"""`workmill status`: how the service stands, once or until Ctrl-C."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workmill.cli import options
from workmill.cli.connection import PATIENCE_SECONDS, connect
from workmill.cli.console import draw, duration, note, print_json, rich_console
from workmill.cli.help_pages import Command
from workmill.cli.status_view import WIDTH, picture, rows_within
from workmill.domain.errors import (
    EndpointUnreachable,
    StoreDamaged,
    Unavailable,
    WorkmillError,
)
from workmill.domain.job import Node
from workmill.telemetry.terminal_text import can_redraw
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
    app.command("status", cls=Command, help=STATUS)(status)


STATUS = """Show the jobs, the predicted wait, and every endpoint, worker and controller.

With --watch, again every second until Ctrl-C, also while the service is away."""


def status(
    watch: Annotated[bool, typer.Option("--watch", help="Again every second.")] = False,
    as_json: options.Json = False,
    url: options.Url = options.DEFAULT_URLS,
    key_file: options.KeyFile = None,
) -> None:
    """Once, or in place on a terminal that can be redrawn, or one view after the other."""
    with connect(url, key_file, WATCH_PATIENCE_SECONDS if watch else None) as client:
        if watch and can_redraw(sys.stdout) and not as_json:
            _watch(client)
            return
        _show(_first(client) if watch else _look(client), as_json=as_json)
        while watch:
            time.sleep(WATCH_SECONDS)
            try:
                found = _look(client)
            except WorkmillError as error:
                note(f"{error.title}. Asking again.")
            else:
                _show(found, as_json=as_json)


def _look(client: Client) -> Status:
    return Status(service=client.stats(), nodes=client.nodes())


def _first(client: Client) -> Status:
    """What a live view begins with: while an endpoint says "not now" it goes on asking, of whoever
    gives no such word for as long as every command does. What lasts is told at once."""
    until = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            return _look(client)
        except StoreDamaged:
            raise
        except Unavailable as error:
            if isinstance(error, EndpointUnreachable) and time.monotonic() >= until:
                raise
            time.sleep(WATCH_SECONDS)


def _show(found: Status, *, as_json: bool) -> None:
    if as_json:
        print_json(found)
    else:
        draw(picture(found.service, found.nodes), WIDTH)


def _watch(client: Client) -> None:
    """The same, redrawn in place. While nobody answers the last view stays, and says so."""
    from rich.live import Live

    found, trouble = _first(client), None
    found_at = time.monotonic()
    with Live(console=rich_console(sys.stdout), auto_refresh=False) as live:
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
    from rich.text import Text

    view = picture(found.service, found.nodes, rows=rows, trouble=trouble)
    title = Text("Workmill", style="bold")
    return Panel(view, title=title, border_style="cyan", width=WIDTH + 4)
