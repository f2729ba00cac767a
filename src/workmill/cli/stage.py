"""How the demo looks: bars that fill on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn

from workmill.runtime.demo import Show
from workmill.wire.messages import JobView

_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "yellow")}
_NAME_CHARACTERS: Final = 28
_DIGITS: Final = 24


@contextmanager
def stage() -> Iterator[Show]:
    """Whoever presents the demo on this output."""
    if not sys.stdout.isatty():
        yield _Lines()
        return
    show = _Bars(Console())
    try:
        yield show
    finally:
        show.finish()


class _Lines:
    """One line for an act, a claim, a value."""

    def act(self, title: str) -> None:
        typer.echo(f"\n{title}")

    def progress(self, names: Sequence[str], jobs: Sequence[JobView]) -> None:
        if any(job.value is None for job in jobs):
            return
        for name, job in zip(names, jobs, strict=True):
            typer.echo(f"    {name[:_NAME_CHARACTERS]:<{_NAME_CHARACTERS}}  {_short(job)}")

    def claim(self, text: str, *, holds: bool | None) -> None:
        typer.echo(f"  {'ok' if holds else 'not judged' if holds is None else 'BROKEN'}: {text}")


class _Bars:
    """A bar for each job of the act, and the value at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: list[TaskID] = []

    def act(self, title: str) -> None:
        self.finish()
        self._console.print(f"\n[bold]{title}[/bold]")

    def progress(self, names: Sequence[str], jobs: Sequence[JobView]) -> None:
        if self._progress is None:
            self._begin(names)
        assert self._progress is not None  # noqa: S101 - just begun
        for task, job in zip(self._tasks, jobs, strict=True):
            self._progress.update(task, completed=job.done, total=job.iterations, value=_short(job))
        if all(job.value is not None for job in jobs):
            self.finish()

    def claim(self, text: str, *, holds: bool | None) -> None:
        mark, colour = _MARKS[holds]
        self._console.print(f"  [{colour}]{mark}[/{colour}] {text}", highlight=False)

    def finish(self) -> None:
        """Leave the bars as they stand and go on below them."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._tasks = None, []

    def _begin(self, names: Sequence[str]) -> None:
        self._progress = Progress(
            TextColumn(f"  {{task.description:<{_NAME_CHARACTERS}}}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[value]}", style="cyan", markup=False),
            console=self._console,
        )
        self._tasks = [self._progress.add_task(name[:_NAME_CHARACTERS], value="") for name in names]
        self._progress.start()


def _short(job: JobView) -> str:
    return "" if job.value is None else f"{job.value[:_DIGITS]}…"
