"""How a Python process of ours is started: its command, and what its environment has.

A child must find the same packages, however this process came to find them, and nothing besides:
`-P` keeps the current directory off its import path, and PYTHONPATH hands on ours, which may have
been set while we ran. Where this process ignores PYTHON* (`python -I`), so does the child, except
for that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from workmill.process.entry import package_root

_NOT_FOR_CHILDREN: Final = frozenset({"PYTHONINSPECT", "PYTHONSTARTUP"})
"""They make an interactive interpreter of a process that is about to end."""


def python_command(module: str, *words: str) -> tuple[str, ...]:
    """The words that run this module of ours with these arguments, as we are run."""
    return (sys.executable, *_flags(), "-P", "-m", module, *words)


def _flags() -> list[str]:
    flags = {
        "-s": sys.flags.no_user_site,
        "-S": sys.flags.no_site,
        "-B": sys.flags.dont_write_bytecode,
        "-O": sys.flags.optimize == 1,
        "-OO": sys.flags.optimize == 2,
    }
    return [flag for flag, is_set in flags.items() if is_set]


def child_environment() -> dict[str, str]:
    """Our environment as a child of ours gets it."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name not in _NOT_FOR_CHILDREN
        and not (sys.flags.ignore_environment and name.startswith("PYTHON"))
    }
    path = [*import_path(), *environment.get("PYTHONPATH", "").split(os.pathsep)]
    handed_on = os.pathsep.join(dict.fromkeys(filter(None, path)))
    return environment | {"PYTHONPATH": handed_on, "PYTHONSAFEPATH": "1"}


def import_path() -> list[str]:
    """Where we import from, as absolute paths; where this package is, whoever else found it."""
    absolute = [entry for entry in map(_absolute, sys.path) if entry]
    root = str(package_root())
    if not any(Path(entry).resolve() == Path(root) for entry in absolute):
        absolute.append(root)
    return list(dict.fromkeys(absolute))


def _absolute(entry: str) -> str:
    try:
        return os.path.abspath(entry) if entry else ""  # noqa: PTH100 - links stay as they are
    except OSError:  # the current directory is gone, and with it whatever is found from there
        return ""
