"""Leases that were granted in a group that was not confirmed: nobody was told of them.

Redis has granted them all the same. Left to run out, each would count as an attempt of its job, and
while a replica is silent, workers go on to ask: five rounds of that would bury a job that nobody
ever computed. So they are handed back before the next grant, which gives the attempt back. Where
somebody else was faster, or a failover has lost the grant, the store knows no such lease.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Final

from workmill.domain.job import Lease, Release

MAX_UNHEARD: Final = 10_000
"""How many are handed back at most; the eldest beyond run out."""


class Unheard:
    """The grants of one way into the store."""

    def __init__(self) -> None:
        self._granted: list[Lease] = []
        self._due: deque[Lease] = deque(maxlen=MAX_UNHEARD)
        self._sent = 0

    def begin_group(self) -> None:
        """What was granted before this group and not heard of is due."""
        self._due.extend(self._granted)
        self._granted, self._sent = [], 0

    def granted(self, leases: Sequence[Lease]) -> None:
        """These will be told to somebody if the group is confirmed."""
        self._granted.extend(leases)

    def due(self) -> list[Release]:
        """What to hand back now; nothing when this group has done so."""
        fresh = [] if self._sent else list(self._due)
        self._sent += len(fresh)
        return [
            Release(id=one.id, token=one.token, done=one.done, state=one.state) for one in fresh
        ]

    def confirmed(self) -> None:
        """The group has ended well."""
        self._granted = []
        if self._sent:
            self._due.clear()
