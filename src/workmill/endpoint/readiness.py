"""Whether the store takes changes: known from a change that it took, and lately.

Theory. An answer to a question proves nothing about the next change: a full disk, a file system
that became read-only, a right that was taken away still let everything be read. So this endpoint
is ready as long as a group that wrote something has been committed lately. Under load that is
nearly every group, and costs nothing. At rest the store is probed every `IDLE_SECONDS`, with one
small synced write, and after a refusal with every reading until it takes one again.

A store without room for new jobs is ready all the same: what is there is computed, finished and
fetched through it, and a balancer that took out every endpoint would make the results unreachable.
It is said beside.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Final

from workmill.domain.errors import StoreFull, StoreUnavailable, WorkmillError
from workmill.domain.job import Submitted, Verdict
from workmill.endpoint.commit_group import RESTORE, Call

IDLE_SECONDS: Final = 5.0
"""How old a proof may get before the store is probed."""
STALE_SECONDS: Final = 15.0
"""How old a proof may get before this endpoint is not ready: the store hangs."""
FULL_SECONDS: Final = 30.0
"""How long a refusal for want of room is shown when nothing was submitted since."""

_CHANGING: Final = frozenset({"renew", "complete", "fail", "release", "cancel"})

NO_NEWS: Final = frozenset({"beat", RESTORE})
"""Verbs whose refusal says nothing about the store, when nothing else was with them: a beat may be
forgotten, and a restore is refused because another one is under way or a part is away."""


class Proofs:
    """What the outcomes of groups tell about the store."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        """`now` is monotonic, in seconds."""
        self._now = now
        self._proved_at = now()
        self._refusal: str | None = "it was not probed yet"
        self._full_until = 0.0

    @property
    def problem(self) -> str | None:
        """Why no promise can be made now; None when the store takes changes."""
        if self._refusal is not None:
            return self._refusal
        age = self._now() - self._proved_at
        return f"it has not answered for {age:.0f} s" if age > STALE_SECONDS else None

    @property
    def full(self) -> bool:
        """Whether it has refused new jobs lately for want of room."""
        return self._now() < self._full_until

    @property
    def due(self) -> bool:
        """Whether the store should be probed now."""
        return self._refusal is not None or self._now() - self._proved_at >= IDLE_SECONDS

    def note(self, calls: Sequence[Call], error: WorkmillError | None) -> None:
        """A group has ended so."""
        if isinstance(error, StoreUnavailable):
            if any(call.verb not in NO_NEWS for call in calls):
                self._refusal = error.detail
        elif error is None:
            for call in calls:
                self._note_one(call)

    def _note_one(self, call: Call) -> None:
        if isinstance(call.error, StoreFull):
            self._full_until = self._now() + FULL_SECONDS
        elif call.error is None and has_written(call):
            self._proved_at, self._refusal = self._now(), None
            if call.verb == "submit":
                self._full_until = 0.0


def has_written(call: Call) -> bool:
    """Whether this call, committed, has certainly changed something in the store."""
    answer = call.answer
    if call.verb in ("probe", "restore"):
        return True
    if not answer:
        return False
    if call.verb == "lease":
        return True
    if call.verb == "submit":
        return isinstance(answer[0], Submitted) and answer[0].created
    return call.verb in _CHANGING and answer[0] is Verdict.APPLIED
