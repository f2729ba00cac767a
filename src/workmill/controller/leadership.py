"""One controller's term as the leader: asked for, renewed, trusted only by its own clock.

Theory. The store says who leads, and until when on its clock. A leader counts the lease on its own
monotonic clock instead, from before it asked: so it believes in it for less time than the store
does, and one that was stopped in between finds its term over when it wakes. It asks again long
before the end. Whoever waits is told how much of the term is left, and asks when it is over: a
leader that is lost is followed within one lease.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol

from workmill.domain.job import Candidacy, Leadership
from workmill.domain.limits import LEAD_SECONDS
from workmill.telemetry import emit

RENEW_SHARE: Final = 2 / 3
"""Of the lease: with so much of it left a leader asks again. Each time costs the store a commit."""


class Leading(Protocol):
    """Where a controller asks to lead."""

    def lead(self, candidacy: Candidacy) -> Leadership: ...


class Term:
    """Asks to lead for `candidate`, an incarnation. `token` is that of the term it is in."""

    def __init__(self, service: Leading, candidate: str, ticks: Callable[[], float]) -> None:
        self._service, self._candidate, self._ticks = service, candidate, ticks
        self.token: int | None = None
        self.left_seconds = 0.0
        """Of the term of whoever else leads, when that was last asked."""
        self._until = float("-inf")

    @property
    def holds(self) -> bool:
        """Whether orders may be given now."""
        return self.token is not None and self._ticks() < self._until

    def ask(self) -> bool:
        """Whether this controller leads; asks the store when that is due. Raises WorkmillError."""
        asked_at = self._ticks()
        if self.token is None or asked_at >= self._until - LEAD_SECONDS * RENEW_SHARE:
            self._follow(self._service.lead(Candidacy(candidate=self._candidate)), asked_at)
        return self.token is not None

    def _follow(self, leadership: Leadership, asked_at: float) -> None:
        if leadership.holder != self._candidate:
            if self.token is not None:
                emit("controller.replaced", level="warning", leader=leadership.holder)
            self.token, self.left_seconds = None, leadership.left_seconds
            return
        if leadership.token != self.token:
            emit("controller.leads", token=leadership.token)
        self.token = leadership.token
        self._until = asked_at + LEAD_SECONDS

    def give_up(self) -> None:
        """Let another one lead at once. Raises WorkmillError: then the term ends by itself."""
        if self.token is not None:
            self.token = None
            self._service.lead(Candidacy(candidate=self._candidate, lease_seconds=0.0))
