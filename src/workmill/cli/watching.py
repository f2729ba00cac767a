"""`workmill status`: how the service stands, once or until Ctrl-C."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Annotated, Final

import typer

from workmill.cli import options
from workmill.cli.connection import connect
from workmill.cli.console import duration, print_json
from workmill.domain.job import Node
from workmill.wire.messages import Message, StatsView

if TYPE_CHECKING:
    from rich.console import RenderableType

    from workmill import Client

WATCH_SECONDS: Final = 1.0


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
    """Show the jobs, the workers and the predicted wait."""
    with connect(url, key_file) as client:
        if watch and sys.stdout.isatty() and not as_json:
            _watch(client)
            return
        while True:
            found = _look(client)
            if as_json:
                print_json(found)
            else:
                typer.echo("\n".join(_lines(found)))
            if not watch:
                return
            time.sleep(WATCH_SECONDS)


def _look(client: Client) -> Status:
    return Status(service=client.stats(), nodes=client.nodes())


def _lines(found: Status) -> list[str]:
    service, stats = found.service, found.service.stats
    wait = service.backlog_seconds
    facts = {
        "jobs": _listed({name: count for name, count in stats.jobs.items() if count}),
        "backlog": f"{stats.backlog_iterations:,} iterations"
        + ("" if wait is None else f", about {duration(wait)}"),
        "workers": f"{service.workers}, together {service.rate_hz:,.0f} iterations/s",
        "known": f"{stats.known_jobs:,} results; {stats.iterations_saved_total:,} iterations saved",
        "total": _listed(
            {
                "submitted": stats.submitted_total,
                "completed": stats.completed_total,
                "delivered": stats.delivered_total,
                "failed": stats.failed_total,
            }
        ),
    }
    lines = [f"{name:>8}  {fact}" for name, fact in facts.items()]
    return lines + [f"    node  {_node(node)}" for node in found.nodes]


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _node(node: Node) -> str:
    drain = ", draining" if node.draining else ""
    return (
        f"{node.role} {node.host}:{node.pid}, {node.leased} leased, "
        f"{node.rate_hz:,.0f} iterations/s{drain}"
    )


def _watch(client: Client) -> None:
    """The same, redrawn in place."""
    from rich.live import Live

    with Live(_panel(_look(client)), auto_refresh=False) as live:
        while True:
            time.sleep(WATCH_SECONDS)
            live.update(_panel(_look(client)), refresh=True)


def _panel(found: Status) -> RenderableType:
    from rich.panel import Panel
    from rich.text import Text

    return Panel(Text("\n".join(_lines(found))), title="Workmill", expand=False)
