"""Telling of jobs that nobody would come upon, because somebody has removed or changed by hand the
keys in which they stood (functions/unplaced.lua). Nothing is put back beside a queue that is
served: a backup holds every job, and its restore makes all queues anew."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

from workmill.telemetry import Incident

LOOK_SECONDS: Final = 5.0
"""One look in so much time, however often it could be."""


class Unplaced:
    """What the last look has found."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`monotonic` is in seconds."""
        self._monotonic = monotonic
        self._due = float("-inf")
        self._told = Incident(
            "store.jobs_unplaced", "store.jobs_placed", level="error", monotonic=monotonic
        )
        self.warnings: tuple[str, ...] = ()
        """What a person must know, in sentences."""

    def look(self, count: Callable[[], int]) -> None:
        """`count` how many there are, if it is time for it."""
        now = self._monotonic()
        if now < self._due:
            return
        self._due = now + LOOK_SECONDS
        jobs = count()
        if jobs:
            self._told.failed(jobs=jobs)
            self.warnings = (_sentence(jobs),)
        else:
            self._told.succeeded()
            self.warnings = ()


def _sentence(jobs: int) -> str:
    return (
        f"Nobody would come upon {jobs:,} jobs or more: keys of the store were removed or changed "
        "by hand, or have expired. All other jobs go on. Make a backup (`workmill backup`), then "
        "restore that file (`workmill restore`), which puts them in their queues again; what is "
        "submitted or delivered between the two is not in it. A backup that is refused says that "
        "jobs themselves are gone: then restore the last one."
    )
