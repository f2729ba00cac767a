"""The thread that keeps the worker supplied.

Idle, it stands in a long poll at an endpoint, and hears of new work as soon as there is some.
Busy, it looks at the stock after every slice and fetches the next lot before the present one
runs dry. In a stream of tiny jobs it rests after each lot, so that they come in fewer lots; what
came in one lot is computed and delivered together as well. The poll is short enough that a
worker told to stop need not cut it off: a lease granted to a connection that was cut would be
lost until it ran out.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Final

from workmill.client.worker_client import WorkClient
from workmill.domain.errors import Unavailable, WorkmillError
from workmill.domain.job import Lease, LeaseRequest
from workmill.domain.limits import MAX_UNHEARD
from workmill.telemetry import emit
from workmill.telemetry.log import INCARNATION
from workmill.worker.held_jobs import Ledger
from workmill.worker.lease_check import addressable
from workmill.worker.lease_sizing import Order, rest_seconds
from workmill.worker.outage_retry import Reach
from workmill.worker.settings import WorkerSettings

WAIT_SECONDS: Final = 2.0
"""How long one poll waits at the endpoint; a drain waits for it."""


class Leasing:
    """Runs until `stop` is set. `order` says what to ask for, `arrived` hears of new work,
    `objection` says why a job cannot be computed here."""

    def __init__(
        self,
        settings: WorkerSettings,
        client: WorkClient,
        ledger: Ledger,
        reach: Reach,
        order: Callable[[], tuple[Order, tuple[str, ...]] | None],
        arrived: Callable[[], None],
        objection: Callable[[Lease], str | None],
    ) -> None:
        self._stop = threading.Event()
        self._settings = settings
        self._client = client
        self._ledger = ledger
        self._reach = reach
        self._order = order
        self._arrived = arrived
        self._objection = objection
        self._number = 0
        self._unheard: deque[int] = deque(maxlen=MAX_UNHEARD)

    def stop(self) -> None:
        """Ask for nothing more."""
        self._stop.set()
        self._ledger.changed.set()

    def run(self) -> None:
        """The thread's body."""
        while not self._stop.is_set():
            self._ledger.changed.clear()
            if self._order() is None:
                self._ledger.changed.wait()
                continue
            try:
                leases = self._reach.insist(self._ask, self._stop)
            except Unavailable:
                return
            if leases:
                self._take(leases)
                self._arrived()
                self._stop.wait(rest_seconds(len(leases)))

    def _take(self, leases: list[Lease]) -> None:
        """Into the hand with all that can be computed; a job that cannot be is given up alone."""
        objections = [self._objection(lease) for lease in leases]
        self._ledger.take(one for one, why in zip(leases, objections, strict=True) if why is None)
        for lease, why in zip(leases, objections, strict=True):
            if why is not None:
                emit("worker.lease_refused", level="error", job=lease.id.hex(), reason=why)
                if addressable(lease):
                    self._ledger.refuse(lease, why)

    def _ask(self) -> list[Lease]:
        """Look at the stock anew in every attempt: much may have been done since the last."""
        wanted = self._order()
        if wanted is None:
            return []
        order, workloads = wanted
        self._number += 1
        request = LeaseRequest(
            worker=f"{self._settings.name}/{INCARNATION}",
            workloads=workloads,
            min_jobs=order.min_jobs,
            max_jobs=order.max_jobs,
            max_cost=order.max_cost,
            lease_seconds=self._settings.lease_seconds,
            number=self._number,
            unheard=tuple(self._unheard),
        )
        try:
            return self._client.lease(request, WAIT_SECONDS)
        except WorkmillError:
            self._unheard.append(self._number)  # whatever was granted must not run out
            raise
