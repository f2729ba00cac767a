"""What the deaths of a slot or a fleet mean: when the next life begins, and what the log tells.

Each death is a line of its own. Two early ones in a row are a trouble that lasts: then it is told
once that no such process can stay alive, and once when one has (`telemetry.outage_log`).
"""

from __future__ import annotations

import asyncio
import random
from typing import Final

from workmill.supervisor import restart_delay
from workmill.supervisor.processes import Death, LocalProcess
from workmill.telemetry import emit
from workmill.telemetry.outage_log import Incident

TOLD_FROM_DEATHS: Final = 2
"""So many early deaths in a row are no accident any more."""


class Deaths:
    """Of the processes of one role that stand for each other. For the loop's thread alone."""

    def __init__(self) -> None:
        self.early = 0
        """So many in a row came early."""
        self._incident = Incident("process.cannot_live", "process.lives", level="error")

    def born(self, process: LocalProcess) -> None:
        """This one was started. If it is alive in a while, it can live."""
        loop = asyncio.get_running_loop()
        loop.call_later(restart_delay.USEFUL_SECONDS, self._look_at, process)

    def after(self, role: str, death: Death, useful_seconds: float) -> float:
        """The seconds to wait before the next start, after a life of so much use; it is logged."""
        self.early, delay_seconds = restart_delay.after_death(
            self.early,
            useful_seconds,
            random.random(),  # noqa: S311 - it spreads restarts, it hides nothing
        )
        emit(
            "process.died",
            level="warning",
            died_role=role,
            outcome=death.outcome,
            lived_seconds=round(death.lived_seconds, 3),
            restart_in_seconds=round(delay_seconds, 3),
        )
        if self.early >= TOLD_FROM_DEATHS:
            self._incident.failed(died_role=role, detail=_cannot_live(role, self.early, death))
        return delay_seconds

    def _look_at(self, process: LocalProcess) -> None:
        if process.alive:
            self._incident.succeeded()
            if self._incident.lasting:
                self.born(process)


def _cannot_live(role: str, times: int, death: Death) -> str:
    return (
        f"{role} could not be kept alive {times} times in a row, the last time: "
        f"{death.outcome.rstrip('.')}. It is started again and again, a few seconds apart. What is "
        "stored is kept; what only this role can do waits."
    )
