"""How far something is: bars where a terminal can be redrawn, plain lines or nothing elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import TYPE_CHECKING, Final, Protocol

from workmill.cli.console import note, rich_console
from workmill.telemetry.terminal_text import can_redraw, printable

if TYPE_CHECKING:
    from rich.progress import Progress

WORTH_SHOWING_BYTES: Final = 4 * 1024 * 1024
"""Less is gone before a bar could be read, on all but the slowest lines."""


class Meter(Protocol):
    """Shows how far something is."""

    def show(self, done: int, total: int, status: str) -> None: ...


@contextmanager
def meter(label: str) -> Iterator[Meter]:
    """A progress bar on a terminal; in a pipe, one line for each new status."""
    if not can_redraw(sys.stderr):
        yield _Lines(label)
        return
    with _progress() as progress:
        yield _Bar(printable(label), progress)


@contextmanager
def byte_meter(label: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar for bytes that take a while, on a terminal; otherwise not a word."""
    if total_bytes < WORTH_SHOWING_BYTES or not can_redraw(sys.stderr):
        yield lambda _done_bytes: None
        return
    with _byte_progress() as progress:
        task = progress.add_task(printable(label), total=total_bytes)
        yield lambda done_bytes: progress.update(task, completed=done_bytes)


def busy(text: str) -> AbstractContextManager[object]:
    """A sign of life on a terminal, nothing in a pipe."""
    if not can_redraw(sys.stderr):
        return nullcontext()
    from rich.text import Text

    return rich_console(sys.stderr).status(Text(f"{text} …"))


class _Lines:
    def __init__(self, label: str) -> None:
        self._label = label
        self._status = ""

    def show(self, done: int, total: int, status: str) -> None:
        if status != self._status:
            self._status = status
            note(f"{self._label}: {status}, {done:,} of {total:,} iterations")


class _Bar:
    def __init__(self, label: str, progress: Progress) -> None:
        self._progress = progress
        self._task = progress.add_task(label, total=None, status="")

    def show(self, done: int, total: int, status: str) -> None:
        shown = printable(status)
        self._progress.update(self._task, completed=done, total=total, status=shown)


def _progress() -> Progress:
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        TimeLeftColumn(compact=True),
        console=rich_console(sys.stderr),
    )


def _byte_progress() -> Progress:
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    return Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeLeftColumn(compact=True),
        console=rich_console(sys.stderr),
        transient=True,
    )
