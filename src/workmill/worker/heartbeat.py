"""The heartbeat: a thread that keeps every lease and says that this worker lives.

Each turn sends the latest checkpoint of every job in hand, so a crash costs no more than the
time between two turns and one slice. It waits for nothing but the clock: computing happens in
another process, leasing and delivering in other threads. A turn that no endpoint answers is
made again from scratch, with newer checkpoints, never repeated as it was. A job whose part of the
store is away is kept: what is lost is told when the part is back.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from workmill import __version__
from workmill.client.worker_client import WorkClient
from workmill.domain.errors import Unavailable, WorkmillError
from workmill.domain.job import Load, Node, Verdict
from workmill.telemetry import emit
from workmill.telemetry.log import INCARNATION
from workmill.worker.held_jobs import Ledger
from workmill.worker.outage_retry import Reach
from workmill.worker.settings import WorkerSettings

TURN: Final = 0.25
"""The share of `checkpoint_seconds` between two turns. A job's first checkpoint comes with its
second turn, and every one waits for the slice before it, which leaves the bound well kept."""

Speed = Callable[[], tuple[float, int]]
"""Returns iterations per second of the whole worker, and its lanes."""


class Renewal:
    """Runs until `stop` is set."""

    def __init__(
        self,
        settings: WorkerSettings,
        client: WorkClient,
        ledger: Ledger,
        reach: Reach,
        speed: Speed,
        load: Callable[[], Load],
    ) -> None:
        self.stop = threading.Event()
        self.draining = False
        self._settings = settings
        self._client = client
        self._ledger = ledger
        self._reach = reach
        self._speed = speed
        self._load = load

    def run(self) -> None:
        """The thread's body."""
        interval_seconds = self._settings.checkpoint_seconds * TURN
        while not self.stop.is_set():
            try:
                self._reach.insist(self._turn, self.stop)
            except Unavailable:
                return  # the drain is over and nobody answers: leases run out by themselves
            self.stop.wait(interval_seconds)
        with suppress(WorkmillError):  # who sees its silence afterwards knows that it has left
            self._client.beat(self._node(len(self._ledger)))

    def _turn(self) -> None:
        """Renewals first: they are what others wait for."""
        renewals = self._ledger.renewals(self._settings.lease_seconds)
        verdicts = self._client.renew(renewals)
        lost = [
            (renewal.id, renewal.token)
            for renewal, verdict in zip(renewals, verdicts, strict=True)
            if verdict not in {Verdict.APPLIED, Verdict.UNAVAILABLE}
        ]
        if dropped := self._ledger.drop(lost):
            emit("worker.leases_lost", jobs=dropped)
        self._client.beat(self._node(len(self._ledger)))

    def _node(self, leased: int) -> Node:
        rate_hz, lanes = self._speed()
        return Node(
            incarnation=INCARNATION,
            role="worker",
            host=self._settings.name,
            pid=os.getpid(),
            version=__version__,
            rate_hz=rate_hz,
            slots=lanes,
            leased=leased,
            draining=self.draining,
            load=self._load(),
        )
