"""Help as plain words that fit the terminal, through the one edge of output.

The texts are given where a command is registered, not taken from docstrings, which `python -OO`
drops. Below `NARROW` columns a description stands under its option and not beside it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

from workmill.cli.console import say
from workmill.process.entry import raise_on_interrupt
from workmill.telemetry.log_output import Whole

if TYPE_CHECKING:
    from typing import TypeAlias

EXIT_USED_WRONGLY: Final = 2
NARROW: Final = 60
WIDEST: Final = 100
LEAST: Final = 20
"""A terminal that says that it has fewer columns than this gets lines of so many."""
BESIDE, UNDER = 32, 2
"""The widest first column, when descriptions stand beside it and when they stand under it."""

if TYPE_CHECKING:
    Formatter: TypeAlias = Any
else:
    Formatter = typer.Context.formatter_class


class _Pages(Formatter):  # type: ignore[misc]  # Typer does not say which one it uses
    """Click's pages of help, as wide as the terminal is."""

    def __init__(self) -> None:
        columns = shutil.get_terminal_size().columns
        super().__init__(width=max(LEAST, min(columns, WIDEST) - 1))

    def write_dl(self, rows: Sequence[tuple[str, str]], *_given: int) -> None:
        super().write_dl(rows, col_max=UNDER if self.width < NARROW else BESIDE)


def _page(context: typer.Context, fill: Callable[[typer.Context, Any], None]) -> str:
    pages = _Pages()
    fill(context, pages)
    text: str = pages.getvalue()
    return text.rstrip("\n")


def show(context: typer.Context) -> None:
    """The help of this command or group on standard output. Raises Unwritable."""
    for line in context.get_help().splitlines():
        say(line)


def show_when_alone(context: typer.Context) -> None:
    """A group without the name of a command shows which there are, and was used wrongly."""
    if context.invoked_subcommand is None:
        show(context)
        raise typer.Exit(EXIT_USED_WRONGLY)


def _help_option(option: Any) -> Any:
    """Click's `--help`, but shown through our own edge."""

    def callback(context: typer.Context, _parameter: object, asked: bool) -> None:
        if asked and not context.resilient_parsing:
            show(context)
            raise typer.Exit

    if option is not None:
        option.callback = callback
    return option


class ServiceCommand(TyperCommand):
    """A command that runs a process of the service: plain help, and Ctrl-C ends it like SIGTERM
    until the role takes its stop signals itself. A KeyboardInterrupt that is raised while modules
    load can be lost (importlib runs callbacks of weak references, where nothing can be raised),
    and whoever sends one stop signal sends no second."""

    def get_help(self, ctx: Any) -> str:
        return _page(ctx, self.format_help)

    def get_help_option(self, ctx: Any) -> Any:
        return _help_option(super().get_help_option(ctx))

    def get_short_help_str(self, limit: int = 0) -> str:  # noqa: ARG002  the list wraps it
        """The first paragraph, whole."""
        return " ".join((self.help or "").partition("\n\n")[0].split())


class Command(ServiceCommand):
    """A command of a person, who is told that Ctrl-C has ended it, and need not read that."""

    def invoke(self, ctx: Any) -> Any:
        raise_on_interrupt(before=Whole.leave)
        return super().invoke(ctx)


class Group(TyperGroup):
    """A group of commands whose help is plain."""

    def get_help(self, ctx: Any) -> str:
        return _page(ctx, self.format_help)

    def get_help_option(self, ctx: Any) -> Any:
        return _help_option(super().get_help_option(ctx))
