"""How a service looks at a terminal: its figures, then a table for each role. Asks nothing.

Rows are in the order of their names, so that a live view never jumps; the first few of a role
are shown, and a line says what the others come to. Silence is measured against whoever beat last,
on the store's clock: no clock of this machine takes part. It fits 80 columns.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec

from workmill.cli.console import duration
from workmill.domain.job import Node
from workmill.telemetry.terminal_text import printable
from workmill.wire.messages import StatsView

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

ROWS: Final = 12
"""Of each role, unless the terminal is lower than that takes."""
FIGURE_LINES: Final = 7
"""Of a live view: its frame and the service's figures."""
HEAD_LINES: Final = 3
"""Of each table: a space, the heads, and the rule under them."""
WIDTH: Final = 76
SUSPECT_SECONDS: Final = 3.0
DEAD_SECONDS: Final = 8.0
"""Silences that a controller calls suspect and dead (`controller.health`)."""
SLOW_SECONDS: Final = 0.1
HANGING_SECONDS: Final = 1.0
"""Lags of an event loop that every caller feels, and that a balancer's checks feel."""
FILLED, FULL = 0.8, 0.95
"""Shares of memory or disk to look at, and to act on."""
_NAME_WIDTH: Final = 22
_UNITS: Final = ("", " k", " M", " G", " T", " P")


class Cell(NamedTuple):
    """What stands in one place, and in which style."""

    text: str
    style: str = ""


class Column(NamedTuple):
    """One column of a role's table: its head and what it shows of a node."""

    head: str
    show: Callable[[Node], Cell]


def picture(
    service: StatsView, nodes: Sequence[Node], *, rows: int = ROWS, trouble: str | None = None
) -> Table:
    """The whole view with so many rows of each role. `trouble` says why it may be old."""
    from rich.table import Table
    from rich.text import Text

    newest_ms = max((node.seen_at_ms for node in nodes), default=0)
    known = [_as_of(node, max((one.leads for one in nodes), default=0)) for node in nodes]
    whole = Table.grid(padding=(0, 0))
    if trouble:
        whole.add_row(Text(printable(trouble), style="bold red"))
        whole.add_row("")
    whole.add_row(_facts(service))
    for role, columns in _COLUMNS.items():
        crew = sorted((node for node in known if node.role == role), key=_order)
        whole.add_row("")
        whole.add_row(_table(role, columns, crew[:rows], newest_ms))
        if others := _others(crew[rows:], newest_ms):
            whole.add_row(others)
    return whole


def rows_within(height: int, nodes: Sequence[Node]) -> int:
    """How many rows of each role at most fit a terminal of so many lines."""
    crews = Counter(node.role for node in nodes)

    def lines(rows: int) -> int:
        tables = (min(max(1, crews[role]), rows) + (crews[role] > rows) for role in _COLUMNS)
        return FIGURE_LINES + HEAD_LINES * len(_COLUMNS) + sum(tables)

    return next((rows for rows in range(ROWS, 1, -1) if lines(rows) <= height), 1)


def amount(number: float) -> str:
    """Three digits and a unit: `950`, `7.61 M`, `12.3 k`."""
    size = 0
    while number >= 999.5 and size < len(_UNITS) - 1:
        number, size = number / 1000, size + 1
    digits = 0 if number >= 99.95 or (size == 0 and number == int(number)) else 1
    digits = 2 if size and number < 9.995 else digits
    return f"{number:.{digits}f}{_UNITS[size]}"


def _facts(service: StatsView) -> RenderableType:
    from rich.table import Table
    from rich.text import Text

    stats, wait = service.stats, service.backlog_seconds
    backlog = f"{stats.backlog_iterations:,} iterations"
    if stats.backlog_iterations and wait is not None:
        backlog += f", about {duration(wait)}"
    elif stats.backlog_iterations:
        backlog += ", and no worker whose rate is known"
    facts = {
        "jobs": _listed({name: count for name, count in stats.jobs.items() if count}),
        "backlog": backlog,
        "workers": f"{service.workers}, together {amount(service.rate_hz)} iterations/s",
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
    if stats.unavailable:
        facts["away"] = ", ".join(stats.unavailable)
    if stats.warnings:
        facts["doubtful"] = " ".join(stats.warnings)
    grid = Table.grid(padding=(0, 2))
    grid.add_column(justify="right", style="cyan", min_width=8)
    grid.add_column(max_width=WIDTH - 10)
    for name, fact in facts.items():
        grid.add_row(name, Text(printable(fact)), style="bold red" if name == "away" else None)
    return grid


def _listed(counts: dict[str, int]) -> str:
    return ", ".join(f"{count:,} {name}" for name, count in counts.items()) or "none"


def _table(
    role: str, columns: Sequence[Column], crew: Sequence[Node], newest_ms: int
) -> RenderableType:
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(
        box=box.SIMPLE_HEAD,
        border_style="dim",
        padding=(0, 1),
        pad_edge=False,
        show_edge=False,
        collapse_padding=True,
        width=WIDTH,
    )
    table.add_column(f"{role}s", header_style="bold cyan", no_wrap=True, ratio=1)
    for column in columns:
        table.add_column(column.head, header_style="dim", justify="right", no_wrap=True)
    table.add_column("silent", header_style="dim", justify="right", no_wrap=True)
    for node in crew:
        name = Text(_short(_name(node)), style="dim" if node.draining else "")
        if node.draining:
            left = _silent_seconds(node, newest_ms) >= SUSPECT_SECONDS
            name.append(" left" if left else " drains", style="" if left else "yellow")
        cells = [*(column.show(node) for column in columns), _silence(node, newest_ms)]
        table.add_row(name, *(Text(cell.text, style=cell.style) for cell in cells))
    if not crew:
        table.add_row(Text("none", style="dim"))
    return table


def _others(others: Sequence[Node], newest_ms: int) -> Text | None:
    """What those beyond the first rows come to."""
    from rich.text import Text

    if not others:
        return None
    cores = sum(node.load.cpu_cores for node in others)
    said = [f"and {len(others):,} more: {cores:,.1f} cores"]
    rate_hz = sum(node.rate_hz for node in others)
    requests_hz = sum(node.load.requests_hz for node in others)
    draining = sum(node.draining for node in others)
    silent = sum(
        not node.draining and _silent_seconds(node, newest_ms) >= SUSPECT_SECONDS for node in others
    )
    said += [f"{amount(rate_hz)} iterations/s"] if rate_hz else []
    said += [f"{amount(requests_hz)} calls/s"] if requests_hz else []
    said += [f"{draining:,} draining"] if draining else []
    said += [f"{silent:,} silent"] if silent else []
    return Text("  " + ", ".join(said), style="yellow" if silent else "dim")


def _as_of(node: Node, highest_token: int) -> Node:
    """Who led an older term than another one leads now does not lead."""
    return node if node.leads == highest_token else msgspec.structs.replace(node, leads=0)


def _name(node: Node) -> str:
    return node.serves or f"{node.host}:{node.pid}"


def _order(node: Node) -> tuple[bool, list[tuple[int, str]], str]:
    """Who leads first, all others by name, the numbers in it by their size; two of one name always
    in the same order."""
    parts = re.findall(r"\d+|\D+", _name(node))
    name = [(int(one), "") if one.isdecimal() else (-1, one) for one in parts]
    return not node.leads, name, node.incarnation


def _short(name: str) -> str:
    """Its end tells one from another."""
    shown = printable(name)
    return shown if len(shown) <= _NAME_WIDTH else "…" + shown[1 - _NAME_WIDTH :]


def _silent_seconds(node: Node, newest_ms: int) -> float:
    return max(0, newest_ms - node.seen_at_ms) / 1000


def _silence(node: Node, newest_ms: int) -> Cell:
    seconds = _silent_seconds(node, newest_ms)
    alarm = "" if node.draining else _alarm(seconds, SUSPECT_SECONDS, DEAD_SECONDS)
    return Cell(f"{seconds:.1f} s", alarm or "dim")


def _alarm(number: float, warning: float, alarm: float) -> str:
    return "bold red" if number >= alarm else "yellow" if number >= warning else ""


def _share(fraction: float) -> Cell:
    return Cell(f"{fraction:.0%}", _alarm(fraction, FILLED, FULL))


def _lag(node: Node) -> Cell:
    seconds = node.load.loop_lag_seconds
    shown = f"{seconds * 1000:.0f} ms" if seconds < 1 else duration(seconds)
    return Cell(shown, _alarm(seconds, SLOW_SECONDS, HANGING_SECONDS))


_CPU: Final = Column("cores", lambda node: Cell(f"{node.load.cpu_cores:.2f}"))
_MEMORY: Final = Column("memory", lambda node: _share(node.load.memory_fraction))
_DISK: Final = Column("disk", lambda node: _share(node.load.disk_fraction))
_COLUMNS: Final = {
    "endpoint": (
        Column("calls/s", lambda node: Cell(amount(round(node.load.requests_hz, 1)))),
        _CPU,
        Column("lag", _lag),
        _MEMORY,
        _DISK,
    ),
    "worker": (
        Column("rate", lambda node: Cell(f"{amount(node.rate_hz)}/s")),
        Column("jobs", lambda node: Cell(f"{node.leased:,}")),
        Column("lanes", lambda node: Cell(f"{node.slots:,}")),
        _CPU,
        _MEMORY,
    ),
    "controller": (
        Column(
            "term",
            lambda node: (
                Cell(f"leads, {node.leads}", "bold green") if node.leads else Cell("waits")
            ),
        ),
        _CPU,
        _MEMORY,
    ),
}
