"""One worker from start to drain: its threads, its signals, its end.

The main thread waits in one inbox: for the child's words, for "work arrived", for "stop". The
other threads (leasing, delivery, renewal) each have one errand with the endpoint. Told to stop,
the worker leases nothing more, lets the slices in hand come home, delivers what is finished,
hands everything else back with its checkpoint, and is gone within `drain_seconds`.
"""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, SimpleQueue
from typing import Final

from workmill.client.key_file import KeyFileTransport
from workmill.client.worker_client import WorkClient
from workmill.domain.errors import EndpointUnreachable, WorkmillError
from workmill.process.entry import stop_signals
from workmill.telemetry import emit
from workmill.telemetry.log import describe
from workmill.telemetry.resource_usage import LoadMeter
from workmill.worker.child_handle import Inbox, Wake
from workmill.worker.delivery import Delivery
from workmill.worker.heartbeat import Renewal
from workmill.worker.held_jobs import Ledger
from workmill.worker.lease_loop import Leasing
from workmill.worker.outage_retry import Reach
from workmill.worker.outbox import Outbox
from workmill.worker.settings import WorkerSettings
from workmill.worker.slice_scheduler import Computing

HOME_SHARE: Final = 0.3
"""The share of the drain in which slices may still come home; the rest is for delivery."""


class Worker:
    """A worker that runs in this process, until `stop`."""

    def __init__(self, settings: WorkerSettings, client: WorkClient) -> None:
        self._settings = settings
        self._inbox: Inbox = SimpleQueue()
        self._stopping = False
        self._failure: Exception | None = None
        reach = Reach(key_may_change=settings.read_key is not None)
        self._outbox = Outbox()
        self._ledger = Ledger(self._outbox)
        self.computing = Computing(settings, self._ledger, self._inbox)
        self._delivery = Delivery(client, self._outbox, reach)
        self._leasing = Leasing(
            settings,
            client,
            self._ledger,
            reach,
            self.computing.order,
            self._wake,
            self.computing.objection,
        )
        meter = LoadMeter(children=self.computing.lanes.pids)
        self._renewal = Renewal(
            settings, client, self._ledger, reach, self.computing.speed, meter.read
        )

    def stop(self) -> None:
        """Begin to drain. Safe in a signal handler and from any thread."""
        self._stopping = True
        self._wake()

    def run(self) -> None:
        """Work until told to stop, then drain.

        Raises EndpointUnreachable when nobody took what was left to say, and whatever made
        the worker give up: an endpoint that does not understand it, for one.
        """
        errands = [
            self._errand(self._leasing.run),
            self._errand(self._delivery.run),
            self._errand(self._renewal.run),
        ]
        self.computing.start()
        try:
            while not self._stopping:
                self._turn()
                self.computing.feed()
        finally:
            self._drain(*errands)
        if self._failure:
            raise self._failure
        if left := len(self._outbox):
            raise EndpointUnreachable(
                f"No endpoint took the last word on {left} jobs. They were kept as long as the "
                "drain allows; their leases run out, and other workers go on from the checkpoints."
            )

    def _turn(self, timeout_seconds: float | None = None) -> None:
        """Wait for one event and act on it."""
        patience_seconds = self.computing.patience_seconds()
        bounds = [bound for bound in (timeout_seconds, patience_seconds) if bound is not None]
        try:
            event = self._inbox.get(timeout=min(bounds, default=None))
        except Empty:
            if self.computing.patience_seconds() == 0.0:
                self.computing.overdue()
        else:
            self.computing.handle(event)

    def _drain(
        self, leasing: threading.Thread, delivery: threading.Thread, renewal: threading.Thread
    ) -> None:
        began = time.monotonic()
        deadline = began + self._settings.drain_seconds
        self._renewal.draining = True
        self._leasing.stop()
        self._bring_home(began + self._settings.drain_seconds * HOME_SHARE)
        handed_back = self._ledger.hand_back()
        self.computing.lanes.close()
        leasing.join(deadline - time.monotonic())
        handed_back += self._ledger.hand_back()  # what a last reply brought
        self._outbox.close()
        delivery.join(deadline - time.monotonic())
        self._delivery.give_up.set()
        self._renewal.stop.set()
        emit(
            "worker.drained",
            handed_back=handed_back,
            undelivered=len(self._outbox),
            seconds=round(time.monotonic() - began, 3),
        )
        renewal.join(deadline - time.monotonic())

    def _bring_home(self, deadline: float) -> None:
        """A child that dies now leaves its jobs where they stood: they go back all the same."""
        with suppress(WorkmillError):
            self._await_slices(deadline)

    def _await_slices(self, deadline: float) -> None:
        while self.computing.busy and (left := deadline - time.monotonic()) > 0:
            self._turn(left)

    def _errand(self, body: Callable[[], None]) -> threading.Thread:
        """Run `body` in a thread; what it raises stops the worker and is raised by `run`."""

        def errand() -> None:
            try:
                body()
            except Exception as error:  # noqa: BLE001 - told by `run`, whatever it is
                self._failure = error
                self.stop()

        thread = threading.Thread(target=errand, daemon=True)
        thread.start()
        return thread

    def _wake(self) -> None:
        self._inbox.put(Wake())


def _no_key() -> None:
    """For a service that wants none."""


def run_worker(settings: WorkerSettings) -> None:
    """Be a worker until SIGTERM or SIGINT, then drain. For the main thread of a process.

    Raises what `Worker.run` raises; an orderly drain returns.
    """
    describe("worker")
    with KeyFileTransport(settings.urls, settings.read_key or _no_key) as transport:
        worker = Worker(settings, WorkClient(transport))
        for number in stop_signals():
            signal.signal(number, lambda *_: worker.stop())
        emit("worker.ready", endpoints=" ".join(settings.urls))
        worker.run()
