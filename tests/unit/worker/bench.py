"""A `Computing` whose child is left out: its tasks come here, and the outcomes from here."""

from __future__ import annotations

from queue import SimpleQueue

import pytest
from tests.unit.worker.conftest import lease_of

from workmill.domain.job import Lease
from workmill.worker.child_handle import Death, Inbox
from workmill.worker.child_protocol import Hello, Outcome, Profile, Task
from workmill.worker.held_jobs import Ledger
from workmill.worker.outbox import Outbox
from workmill.worker.settings import WorkerSettings
from workmill.worker.slice_scheduler import Computing

LANES = 2
LONG = 10**9
PROFILES = {"tally": Profile(LANES, 16), "other": Profile(LANES, 16)}


class Bench:
    """A `Computing` whose tasks come here, and the outcomes for them from here."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        inbox: Inbox = SimpleQueue()
        self.ledger = Ledger(Outbox())
        settings = WorkerSettings(urls=("http://127.0.0.1:9",), slice_seconds=1.0)
        self.computing = Computing(settings, self.ledger, inbox)
        self.tasks: list[Task] = []
        self.starts = self.kills = 0
        monkeypatch.setattr(self.computing.lanes, "send", self.tasks.append)
        monkeypatch.setattr(self.computing.lanes, "start", self._start)
        monkeypatch.setattr(self.computing.lanes, "kill", self._kill)
        self.computing.start()
        self.computing.handle(Hello(PROFILES))

    def _start(self) -> None:
        self.starts += 1

    def _kill(self) -> None:
        self.kills += 1

    def lease(self, *leases: Lease) -> None:
        """Take these in hand and plan."""
        self.ledger.take(leases)
        self.computing.feed()

    def answer(self, error: str | None = None) -> None:
        """The child has done the first task that is still with it, or has failed at it."""
        task = self.tasks.pop(0)
        states = [
            state[:8] + (int.from_bytes(state[8:], "big") + count).to_bytes(8, "big")
            for state, count in zip(task.states, task.counts, strict=True)
        ]
        elapsed = max(task.counts) / 1000.0
        self.computing.handle(Outcome(task.seq, elapsed, [] if error else states, error))
        self.computing.feed()

    def die(self, reason: str = "SIGKILL") -> None:
        """The child dies, and the next one says hello."""
        self.tasks.clear()
        self.computing.handle(Death(reason))
        self.computing.handle(Hello(PROFILES))
        self.computing.feed()

    def live_on(self) -> None:
        """The child lives for as long as it has to without the job that is in doubt."""
        self.computing.overdue()
        self.computing.feed()

    def names(self) -> list[list[bytes]]:
        """What each task with the child is about."""
        return [[state[:8].rstrip(b"\0") for state in task.states] for task in self.tasks]


def job(name: bytes, total: int = LONG, workload: str = "tally") -> Lease:
    lease = lease_of(name, total)
    return Lease(
        id=lease.id,
        token=1,
        workload=workload,
        total=total,
        done=1,
        state=lease.state,
    )
