"""Words for people, JSON for scripts.

Results go to standard output. What is only of interest now (progress, notes, errors) goes
to standard error: bars and colour on a terminal, plain lines in a pipe.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

import typer

from workmill.domain.errors import WorkmillError
from workmill.wire import codecs

if TYPE_CHECKING:
    from rich.progress import Progress


def print_json(message: object) -> None:
    """One JSON document and a line's end on standard output."""
    typer.echo(codecs.to_json(message))


def note(text: str) -> None:
    """A line for the person at the terminal."""
    typer.echo(text, err=True)


def show_error(error: WorkmillError) -> None:
    """What happened, what was kept, what to do: each error says it in its own words."""
    typer.secho(f"{error.title}.", err=True, fg="red", bold=True)
    if error.detail.rstrip(".") != error.title:
        note(error.detail)
    if error.retry_after_seconds:
        note(f"Try again in {error.retry_after_seconds:.0f} s.")


def duration(seconds: float) -> str:
    """Seconds as a person says them: `0.4 s`, `12 s`, `3 min 20 s`, `5 h 12 min`."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


WORTH_SHOWING_BYTES: Final = 4 * 1024 * 1024
"""Less is gone before a bar could be read, on all but the slowest lines."""


class Meter(Protocol):
    """Shows how far something is."""

    def show(self, done: int, total: int, status: str) -> None: ...


@contextmanager
def meter(label: str) -> Iterator[Meter]:
    """A progress bar on a terminal; in a pipe, one line for each new status."""
    if not sys.stderr.isatty():
        yield _Lines(label)
        return
    with _progress() as progress:
        yield _Bar(label, progress)


@contextmanager
def byte_meter(label: str, total_bytes: int) -> Iterator[Callable[[int], None]]:
    """A bar for bytes that take a while, on a terminal; otherwise not a word."""
    if total_bytes < WORTH_SHOWING_BYTES or not sys.stderr.isatty():
        yield lambda _done_bytes: None
        return
    with _byte_progress() as progress:
        task = progress.add_task(label, total=total_bytes)
        yield lambda done_bytes: progress.update(task, completed=done_bytes)


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
        self._progress.update(self._task, completed=done, total=total, status=status)


def _progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[status]}"),
        TimeLeftColumn(compact=True),
        console=Console(stderr=True),
    )


def _byte_progress() -> Progress:
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TransferSpeedColumn
    from rich.progress import TimeRemainingColumn as TimeLeftColumn

    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(binary_units=True),
        TransferSpeedColumn(),
        TimeLeftColumn(compact=True),
        console=Console(stderr=True),
        transient=True,
    )
