"""What to do while no endpoint answers: go on trying, for as long as it takes, and say so once.

The threads of a worker share one `Reach`, so that an outage is one line in the log however
many of them meet it, and its end another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from workmill.client.retries import pause_seconds, worth_retrying
from workmill.domain.errors import WorkmillError
from workmill.telemetry import emit

T = TypeVar("T")


class Reach:
    """Whether the service can be reached, as all threads of this worker see it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lost_at: float | None = None

    def insist(self, verb: Callable[[], T], until: threading.Event) -> T:
        """Call until it is answered. Raises the last error once `until` is set, and at once an
        error that time does not heal: a wrong key, or an endpoint that does not understand."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                answer = verb()
            except WorkmillError as error:
                failures += 1
                if _hopeless(error):
                    raise
                self._lost(error)
                if until.wait(pause_seconds(failures, error)):
                    raise
            else:
                self._found(began)
                return answer

    def _lost(self, error: WorkmillError) -> None:
        with self._lock:
            if self._lost_at is not None:
                return
            self._lost_at = time.monotonic()
        emit("worker.endpoint_lost", level="warning", detail=str(error))

    def _found(self, asked_at: float) -> None:
        """An answer to what was asked before the outage began says nothing about its end."""
        with self._lock:
            lost_at = self._lost_at
            if lost_at is None or asked_at < lost_at:
                return
            self._lost_at = None
        emit("worker.endpoint_found", away_seconds=round(time.monotonic() - lost_at, 3))


def _hopeless(error: WorkmillError) -> bool:
    return error.status < 500 and not worth_retrying(error)
