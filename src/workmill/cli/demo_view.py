"""How the demo looks: bars that fill on a terminal, plain lines in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TaskProgressColumn, TextColumn
from rich.text import Text

from workmill.cli.console import rich_console, say
from workmill.demo import Show
from workmill.telemetry.terminal_text import can_redraw, printable
from workmill.wire.messages import JobView

_MARKS: Final = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "yellow")}
_NAME_CHARACTERS: Final = 28
_DIGITS: Final = 24


@contextmanager
def stage() -> Iterator[Show]:
    """Whoever presents the demo on this output."""
    if not can_redraw(sys.stdout):
        yield _Lines()
        return
    show = _Bars(rich_console(sys.stdout))
    try:
        yield show
    finally:
        show.finish()


class _Lines:
    """One line for an act, a claim, a value."""

    def act(self, title: str) -> None:
        say()
        say(title)

    def progress(self, names: Sequence[str], jobs: Sequence[JobView]) -> None:
        if any(job.value is None for job in jobs):
            return
        for name, job in zip(names, jobs, strict=True):
            say(f"    {_cut(name):<{_NAME_CHARACTERS}}  {_short(job)}")

    def checked(self, done: int, total: int) -> None:
        """In a pipe the claim that follows says enough."""

    def claim(self, text: str, *, holds: bool | None) -> None:
        say(f"  {'ok' if holds else 'not judged' if holds is None else 'BROKEN'}: {text}")


class _Bars:
    """A bar for each job of the act, and the value at its end."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._progress: Progress | None = None
        self._tasks: list[TaskID] = []

    def act(self, title: str) -> None:
        self.finish()
        self._console.print(Text(f"\n{title}", style="bold"))

    def progress(self, names: Sequence[str], jobs: Sequence[JobView]) -> None:
        bars = self._bars(names)
        for task, job in zip(self._tasks, jobs, strict=True):
            bars.update(task, completed=job.done, total=job.iterations, value=_short(job))
        if all(job.value is not None for job in jobs):
            self.finish()

    def checked(self, done: int, total: int) -> None:
        self._bars(["hashlib"]).update(self._tasks[0], completed=done, total=total)
        if done == total:
            self.finish()

    def claim(self, text: str, *, holds: bool | None) -> None:
        mark, colour = _MARKS[holds]
        self._console.print(Text.assemble("  ", (mark, colour), f" {printable(text)}"))

    def finish(self) -> None:
        """Leave the bars as they stand and go on below them."""
        if self._progress is not None:
            self._progress.stop()
        self._progress, self._tasks = None, []

    def _bars(self, names: Sequence[str]) -> Progress:
        """The bars of this act, begun when there are none."""
        if self._progress is not None:
            return self._progress
        self._progress = Progress(
            TextColumn(f"  {{task.description:<{_NAME_CHARACTERS}}}", markup=False),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[value]}", style="cyan", markup=False),
            console=self._console,
        )
        self._tasks = [self._progress.add_task(_cut(name), value="") for name in names]
        self._progress.start()
        return self._progress


def _short(job: JobView) -> str:
    return "" if job.value is None else f"{job.value[:_DIGITS]}…"


def _cut(name: str) -> str:
    name = printable(name)
    return name if len(name) <= _NAME_CHARACTERS else f"{name[: _NAME_CHARACTERS - 1]}…"
