"""The last grant to each worker, for as long as it may say that it never heard of it.

An answer that arrived at a proxy may still never reach its worker: cut off, packed, replaced by a
page. Nobody but the worker knows. So it numbers its requests, and names in each those of late that
were not answered; what was granted to one of these is handed back, and costs its jobs no attempt.
By numbers, for a request that was late itself must not give back what a later one heard of.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from workmill.domain.job import Lease, LeaseRequest, Release

MAX_REMEMBERED_JOBS: Final = 100_000
"""Of all workers together; beyond that the oldest grants run out, as all leases do."""


class _Grant(NamedTuple):
    number: int
    leases: Sequence[Lease]


class Grants:
    """What each worker was granted last, until it asks again."""

    def __init__(self) -> None:
        self._last: dict[str, _Grant] = {}
        self._jobs = 0

    def remember(self, wanted: LeaseRequest, leases: Sequence[Lease]) -> None:
        """These are the answer to this request, if it has a number."""
        if not wanted.number:
            return
        self._forget(wanted.worker)
        self._last[wanted.worker] = _Grant(wanted.number, leases)
        self._jobs += len(leases)
        while self._jobs > MAX_REMEMBERED_JOBS:
            self._forget(next(iter(self._last)))

    def unheard_by(self, wanted: LeaseRequest) -> list[Release]:
        """What its worker was granted last and has not heard of, once."""
        last = self._last.get(wanted.worker)
        if last is None or last.number >= wanted.number:
            return []
        self._forget(wanted.worker)
        if last.number not in wanted.unheard:
            return []
        return [one.unused() for one in last.leases]

    def _forget(self, worker: str) -> None:
        last = self._last.pop(worker, None)
        self._jobs -= len(last.leases) if last is not None else 0
