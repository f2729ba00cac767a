"""A desk in place of an endpoint, and a real child that has a stranger's workload installed."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from workmill.client.sync_transport import Transport
from workmill.client.worker_client import WorkClient
from workmill.domain.errors import EndpointUnreachable
from workmill.domain.job import (
    Completion,
    Failure,
    Lease,
    LeaseRequest,
    Node,
    Release,
    Renewal,
    Verdict,
)
from workmill.worker.settings import WorkerSettings
from workmill.worker.worker import Worker

MILLS = Path(__file__).parents[2] / "mills"
TEST_SECONDS = 100.0
"""After which a wait is given up and the test fails."""


def lease_of(instruction: bytes, total: int, *, attempts: int = 1, token: int = 1) -> Lease:
    """A lease of a `tally` job (see tests/mills); its id is made from what it says."""
    return Lease(
        id=instruction.ljust(8, b"\0") + total.to_bytes(8, "big"),
        token=token,
        workload="tally",
        total=total,
        done=1,
        state=instruction.ljust(8, b"\0") + (1).to_bytes(8, "big"),
        attempts=attempts,
    )


class Desk(WorkClient):
    """Grants what it was given, notes everything it is told, and can be away."""

    def __init__(self) -> None:
        super().__init__(Transport("http://127.0.0.1:9"))
        self._changed = threading.Condition()
        self._queue: deque[Lease] = deque()
        self.stale: set[bytes] = set()
        self.away = False
        self.refused = 0
        self.requests: list[LeaseRequest] = []
        self.granted: set[bytes] = set()
        self.completed: dict[bytes, bytes] = {}
        self.failed: dict[bytes, str] = {}
        self.released: dict[bytes, Release] = {}
        self.renewed: list[Renewal] = []
        self.nodes: list[Node] = []

    def put(self, *leases: Lease) -> None:
        """Have these ready to be leased."""
        with self._changed:
            self._queue.extend(leases)
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], object]) -> None:
        """Wait until what has been noted satisfies `condition`."""
        with self._changed:
            assert self._changed.wait_for(condition, TEST_SECONDS), "it never came to that"

    def lease(self, request: LeaseRequest, wait_seconds: float) -> list[Lease]:
        with self._noting():
            self.requests.append(request)
            self._changed.wait_for(lambda: self._queue, min(wait_seconds, 0.1))
            count = min(request.min_jobs, len(self._queue))
            granted = [self._queue.popleft() for _ in range(count)]
            self.granted |= {lease.id for lease in granted}
            return granted

    def renew(self, renewals: Sequence[Renewal]) -> list[Verdict]:
        with self._noting():
            self.renewed += renewals
            return self._verdicts_on(renewals)

    def complete(self, completions: Sequence[Completion]) -> list[Verdict]:
        with self._noting():
            self.completed |= {one.id: one.state for one in completions}
            return self._verdicts_on(completions)

    def fail(self, failures: Sequence[Failure]) -> list[Verdict]:
        with self._noting():
            self.failed |= {one.id: one.reason for one in failures}
            return self._verdicts_on(failures)

    def release(self, releases: Sequence[Release]) -> list[Verdict]:
        with self._noting():
            self.released |= {one.id: one for one in releases}
            return self._verdicts_on(releases)

    def beat(self, node: Node) -> None:
        with self._noting():
            self.nodes.append(node)

    def _verdicts_on(
        self, words: Sequence[Renewal | Completion | Failure | Release]
    ) -> list[Verdict]:
        return [Verdict.STALE if one.id in self.stale else Verdict.APPLIED for one in words]

    @contextmanager
    def _noting(self) -> Iterator[None]:
        with self._changed:
            if self.away:
                self.refused += 1
                self._changed.notify_all()
                raise EndpointUnreachable("The desk is away.")
            yield
            self._changed.notify_all()


class Running:
    """A worker at a desk, in a thread of the test."""

    def __init__(self, settings: WorkerSettings, client: WorkClient) -> None:
        self.worker = Worker(settings, client)
        self.error: Exception | None = None
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self.worker.run()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            self.error = error

    def stop(self) -> None:
        """Drain the worker and wait for its end."""
        self.worker.stop()
        self.join()

    def join(self) -> None:
        """Wait for the worker's end."""
        self._thread.join(TEST_SECONDS)
        assert not self._thread.is_alive(), "the worker does not end"


@pytest.fixture
def mills(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes find the `tally` workload."""
    monkeypatch.setenv("PYTHONPATH", str(MILLS))


class Gates:
    """Two pipes: through one a `gil` job says that it runs, the other one lets it go on."""

    def __init__(self, folder: Path) -> None:
        self._gate, self._reached = folder / "gate", folder / "reached"
        os.mkfifo(self._gate)
        os.mkfifo(self._reached)

    def wait_until_reached(self) -> None:
        """Returns once a job holds the interpreter lock of its process."""
        said = b""
        while not said:  # a job that was killed meanwhile closes its end without a word
            with self._reached.open("rb", buffering=0) as reached:
                said = reached.read(1)

    def open(self) -> None:
        """Let the job go on."""
        self._gate.write_bytes(b".")


@pytest.fixture
def gates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Gates:
    monkeypatch.setenv("MILLS_GATES", str(tmp_path))
    return Gates(tmp_path)


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.fixture
def start(desk: Desk, mills: None) -> Iterator[Callable[..., Running]]:  # noqa: ARG001
    """Start a worker at the desk; it is drained at the end of the test."""
    started: list[Running] = []

    def start_one(
        *,
        checkpoint_seconds: float = 0.05,
        slice_seconds: float = 0.02,
        drain_seconds: float = 50.0,
    ) -> Running:
        settings = WorkerSettings(
            urls=("http://127.0.0.1:9",),
            checkpoint_seconds=checkpoint_seconds,
            slice_seconds=slice_seconds,
            drain_seconds=drain_seconds,
        )
        started.append(Running(settings, desk))
        return started[-1]

    yield start_one
    desk.away = False
    for running in started:
        running.stop()
    desk.close()
