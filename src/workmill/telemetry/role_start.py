"""The beginning of every role that serves, whatever command or parent started it."""

from __future__ import annotations

from workmill.process.entry import die_on_interrupt, enter
from workmill.telemetry.log import start_log


def begin(role: str) -> None:
    """Name the role in the log, and see that nothing outside can hold the process up. Until the
    role has a drain of its own, each stop signal ends it at once: nothing has begun."""
    enter()
    die_on_interrupt()
    start_log(role)
