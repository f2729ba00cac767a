"""Find workloads by name among the installed packages (entry-point group `workmill.workloads`)."""

from __future__ import annotations

from functools import cache
from importlib.metadata import EntryPoint, entry_points

from workmill.domain.errors import InvalidInput
from workmill.process.imports import importing
from workmill.workloads.port import Workload

GROUP = "workmill.workloads"
DEFAULT_WORKLOAD = "sha512"


def workload_names() -> tuple[str, ...]:
    """The names of all installed workloads, sorted."""
    return tuple(sorted(_installed()))


@cache
def find_workload(name: str) -> Workload:
    """The workload of this name. Raises InvalidInput when none is installed under it."""
    if name in _installed():
        with importing:
            workload: Workload = _installed()[name].load()
        return workload
    known = ", ".join(workload_names())
    raise InvalidInput(
        f"There is no workload {name[:64]!r} here. Nothing was stored. Installed: {known}."
    )


@cache
def _installed() -> dict[str, EntryPoint]:
    """By name, found out once: that takes milliseconds, and a batch may name many that are none."""
    found: dict[str, EntryPoint] = {}
    for entry in entry_points(group=GROUP):
        found.setdefault(entry.name, entry)
    return found
