"""Single processes of one service, to be killed and started again: endpoints and workers.

An endpoint keeps its port and its data over a restart. Workers have the `tally` workload of
`tests/mills` beside sha512.
"""

from __future__ import annotations

import os
import signal
import struct
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from tests.system.processes import PATIENCE_SECONDS, free_port

from workmill import Client

MILLS = Path(__file__).parents[1] / "mills"

ENDPOINT = """
import sys
from pathlib import Path
from workmill.endpoint.server import serve
from workmill.endpoint.settings import EndpointSettings
from workmill.store.sqlite.store import SqliteStore
serve(lambda: SqliteStore(Path(sys.argv[1])), EndpointSettings(port=int(sys.argv[2])))
"""
WORKER = """
import sys
from workmill.worker import WorkerSettings, run_worker
lease_seconds, checkpoint_seconds, slice_seconds = map(float, sys.argv[2:5])
run_worker(WorkerSettings(
    urls=(sys.argv[1],),
    lease_seconds=lease_seconds,
    checkpoint_seconds=checkpoint_seconds,
    slice_seconds=slice_seconds,
))
"""


class Pace(NamedTuple):
    """The worker's settings of these names."""

    lease_seconds: float
    checkpoint_seconds: float
    slice_seconds: float


def computed(account: Path) -> int:
    """The iterations of `tally` that workers have written down in this file."""
    written = account.read_bytes()
    return sum(struct.unpack(f">{len(written) // 8}Q", written))


QUICK = Pace(lease_seconds=5.0, checkpoint_seconds=0.4, slice_seconds=0.05)


class Role:
    """One process with its log of events."""

    def __init__(self, log: Path, words: list[str], extra: Mapping[str, str]) -> None:
        path = os.pathsep.join(filter(None, [str(MILLS), os.environ.get("PYTHONPATH")]))
        self.log = log
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env={**os.environ, "PYTHONPATH": path, **extra},
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    def kill(self) -> None:
        """kill -9, and wait until it is gone."""
        self.end(signal.SIGKILL)

    def end(self, number: int = signal.SIGTERM) -> int:
        """Send a signal and wait for the end; the exit code."""
        self._process.send_signal(number)
        return self._process.wait(PATIENCE_SECONDS)

    def signal(self, number: int) -> None:
        """Send a signal and go on."""
        self._process.send_signal(number)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None


class Mill:
    """One endpoint with its data, and any number of workers."""

    def __init__(self, folder: Path, pace: Pace) -> None:
        self._folder = folder
        self._pace = pace
        self._data = folder / "data"
        self._data.mkdir()
        self._port = free_port()
        self.url = f"http://127.0.0.1:{self._port}"
        self.account = folder / "account"
        self.account.touch()
        self.workers: list[Role] = []
        self.client = Client(self.url, timeout_seconds=PATIENCE_SECONDS)
        self.start_endpoint()

    def start_endpoint(self) -> None:
        """Start the endpoint (again) and wait until it answers."""
        words = [sys.executable, "-c", ENDPOINT, str(self._data), str(self._port)]
        self.endpoint = Role(self._folder / "endpoint.log", words, {})
        self.client.stats()

    def start_worker(self) -> Role:
        """Start one more worker."""
        words = [sys.executable, "-c", WORKER, self.url, *map(str, self._pace)]
        log = self._folder / f"worker{len(self.workers)}.log"
        worker = Role(log, words, {"MILLS_ACCOUNT": str(self.account)})
        self.workers.append(worker)
        return worker

    def computed(self) -> int:
        """Iterations of `tally` that were computed by any worker, those lost with it included."""
        return computed(self.account)

    def close(self) -> None:
        self.client.close()
        for role in [*self.workers, self.endpoint]:
            if role.alive:
                role.signal(signal.SIGCONT)
                role.kill()


@contextmanager
def running_mill(folder: Path, pace: Pace = QUICK) -> Iterator[Mill]:
    """A mill with its endpoint running and no worker yet."""
    mill = Mill(folder, pace)
    try:
        yield mill
    finally:
        mill.close()
