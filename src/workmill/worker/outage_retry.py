"""What to do while no endpoint answers: go on trying, for as long as it takes, and say so once.

What ends a worker is only what an endpoint itself says, in a problem document of our own, and what
no time heals: that it does not understand, or does not know the key of a worker which has no file
to read another one from. Whatever else answers, a proxy for one, is an outage like silence
(`client.foreign_answers`).

The threads of a worker share one `Reach`, so that an outage is one line in the log however
many of them meet it, and its end another.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final, TypeVar

from workmill.client.retries import pause_seconds, worth_retrying
from workmill.domain.errors import BodyTimeout, MalformedRequest, NotAuthorized, WorkmillError
from workmill.telemetry import Incident

T = TypeVar("T")

LONGEST_PAUSE_SECONDS: Final = 30.0
"""However long an endpoint tells a worker to wait, it asks again by then."""

_HURT_ON_THE_WAY: Final = (MalformedRequest, BodyTimeout)
"""What an endpoint says of a request that did not reach it as it was sent."""


class Reach:
    """Whether the service can be reached, as all threads of this worker see it."""

    def __init__(self, *, key_may_change: bool = False) -> None:
        """`key_may_change` says that a refused key may be another one by and by."""
        self._key_may_change = key_may_change
        self._lock = threading.Lock()
        self._lost_at = 0.0
        self._outage = Incident("worker.endpoint_lost", "worker.endpoint_found")

    def insist(self, verb: Callable[[], T], until: threading.Event) -> T:
        """Call until it is answered. Raises the last error once `until` is set, and at once an
        error that time does not heal."""
        failures = 0
        while True:
            began = time.monotonic()
            try:
                answer = verb()
            except WorkmillError as error:
                failures += 1
                if self._hopeless(error):
                    raise
                self._lost(error)
                if until.wait(min(pause_seconds(failures, error), LONGEST_PAUSE_SECONDS)):
                    raise
            else:
                self._found(began)
                return answer

    def _lost(self, error: WorkmillError) -> None:
        with self._lock:
            if not self._outage.lasting:
                self._lost_at = time.monotonic()
            self._outage.failed(detail=str(error))

    def _found(self, asked_at: float) -> None:
        """An answer to what was asked before the outage began says nothing about its end."""
        with self._lock:
            if self._outage.lasting and asked_at >= self._lost_at:
                self._outage.succeeded()

    def _hopeless(self, error: WorkmillError) -> bool:
        if isinstance(error, NotAuthorized):
            return not self._key_may_change
        passing = worth_retrying(error) or isinstance(error, _HURT_ON_THE_WAY)
        return error.status < 500 and not passing
