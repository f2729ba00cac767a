"""Every command of the command line, as the application itself knows them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import typer

from workmill.cli.app import app

WORKMILL = (sys.executable, "-P", "-m", "workmill")


def commands() -> dict[str, Any]:
    """Each command by its words, `bench kernel` for one in a group."""
    return dict(_below(typer.main.get_command(app), ""))


def _below(command: Any, words: str) -> Iterator[tuple[str, Any]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command
        return
    for name, child in inner.items():
        yield from _below(child, f"{words} {name}".strip())


def talks(command: Any) -> bool:
    """Whether it asks a service: it has an option that names one."""
    return any("--url" in parameter.opts for parameter in command.params)
