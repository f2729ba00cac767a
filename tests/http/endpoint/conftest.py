"""A real endpoint over a real SQLite store on a free port, driven through real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any, Protocol, Self

import httpx
import msgspec
import pytest
from tests.system.service_definition import advanced

from workmill.domain.job import Completion, Lease, LeaseRequest, Verdict
from workmill.endpoint import Endpoint, EndpointSettings
from workmill.store.port import Store
from workmill.store.sqlite import SqliteStore
from workmill.wire import paths

TEST_SECONDS = 100.0
"""How long a test waits for what must come before it gives up."""


class Gated:
    """A store whose groups can be held up (`open` cleared) or made to fail (`error`)."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.open = threading.Event()
        self.open.set()
        self.held = threading.Event()
        self.error: Exception | None = None

    def __getattr__(self, verb: str) -> Any:
        return getattr(self._store, verb)

    @contextmanager
    def group(self) -> Iterator[None]:
        if not self.open.is_set():
            self.held.set()
        assert self.open.wait(TEST_SECONDS)
        if self.error is not None:
            raise self.error
        with self._store.group():
            yield


class Running:
    """One endpoint at work in a thread of this process."""

    def __init__(
        self,
        directory: Path,
        settings: EndpointSettings,
        open_store: Callable[[Path], Store] = SqliteStore,
    ) -> None:
        self._directory = directory
        self._open_store = open_store
        self._endpoint = Endpoint(self._open, settings)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.failure: BaseException | None = None
        self.store: Gated

    def __enter__(self) -> Self:
        self._thread.start()
        while not self._endpoint.ready.wait(0.05):
            assert self._thread.is_alive(), self.failure
        self.url = self._endpoint.url
        self.port = int(self.url.rpartition(":")[2])
        self.http = httpx.Client(base_url=self.url, timeout=TEST_SECONDS)
        return self

    def __exit__(self, *_error: object) -> None:
        self.http.close()
        self.store.open.set()
        self._endpoint.stop()
        self.join()

    def stop(self) -> None:
        """Begin to drain."""
        self._endpoint.stop()

    def join(self) -> None:
        """Wait until the endpoint has ended by itself."""
        self._thread.join(TEST_SECONDS)
        assert not self._thread.is_alive()

    def _open(self) -> Store:
        self.store = Gated(self._open_store(self._directory))
        return self.store

    def _run(self) -> None:
        try:
            self._endpoint.run()
        except BaseException as error:  # noqa: BLE001 - shown by the test that waits
            self.failure = error

    def submit(self, data: bytes, iterations: int = 3, **more: Any) -> str:
        """Submit over the compatible face: the id."""
        reply = self.http.put(f"/enqueue?iterations={iterations}", content=data, **more)
        assert reply.status_code == 200, reply.text
        return str(reply.json()["id"])

    def post(self, path: str, message: object, kind: Any, **query: Any) -> Any:
        """One MessagePack call of the work face."""
        body = msgspec.msgpack.encode(message)
        reply = self.http.post(path, content=body, params=query)
        assert reply.status_code == 200, reply.text
        return msgspec.msgpack.decode(reply.content, type=kind)

    def lease(self, max_jobs: int = 100, **query: Any) -> list[Lease]:
        """Lease as a worker does."""
        leases: list[Lease] = self.post(
            paths.WORK_LEASE, lease_request(max_jobs), list[Lease], **query
        )
        return leases

    def complete(self, leases: Sequence[Lease]) -> list[Verdict]:
        """Compute by the definition and bring the values back."""
        verdicts: list[Verdict] = self.post(
            paths.WORK_COMPLETE, [finished(one) for one in leases], list[Verdict]
        )
        return verdicts

    def work(self) -> None:
        """Do all there is to do."""
        while leases := self.lease():
            assert set(self.complete(leases)) == {Verdict.APPLIED}

    def pull(self, top: int = 100) -> list[dict[str, str]]:
        """Pull over the compatible face."""
        reply = self.http.post(f"/pullCompleted?top={top}")
        assert reply.status_code == 200, reply.text
        results: list[dict[str, str]] = reply.json()
        return results

    def stored(self) -> int:
        """How many jobs were ever taken in."""
        return int(self.http.get(paths.STATS).json()["stats"]["submitted_total"])

    def raw(self, *pieces: bytes) -> bytes:
        """Send bytes as they are; everything that comes back until the endpoint closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=TEST_SECONDS) as line:
            for piece in pieces:
                line.sendall(piece)
            reply = b""
            while chunk := line.recv(65536):
                reply += chunk
            return reply


def answers_with(running: Running, path: str, status: int) -> httpx.Response:
    """Ask until the answer has this status: the next reading of the store makes it so."""
    deadline = time.monotonic() + TEST_SECONDS
    while (reply := running.http.get(path)).status_code != status:
        assert time.monotonic() < deadline, reply.text
    return reply


def lease_request(max_jobs: int = 100) -> LeaseRequest:
    """What a hungry worker asks for."""
    return LeaseRequest(
        worker="tester",
        workloads=("sha512",),
        min_jobs=1,
        max_jobs=max_jobs,
        max_cost=10**15,
        lease_seconds=60.0,
    )


def finished(lease: Lease) -> Completion:
    """The rest of the work, by the definition."""
    state = advanced(lease.state, lease.total - lease.done)
    return Completion(id=lease.id, token=lease.token, state=state)


class Start(Protocol):
    """Starts an endpoint over a store of its own; it is drained when the test ends."""

    def __call__(self, **settings: Any) -> Running: ...


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    with ExitStack() as stack:
        count = iter(range(100))

        def begin(**settings: Any) -> Running:
            directory = tmp_path / str(next(count))
            directory.mkdir()
            running: AbstractContextManager[Running] = Running(
                directory, EndpointSettings(port=0, **settings)
            )
            return stack.enter_context(running)

        yield begin


@pytest.fixture
def without_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """No waiting call is helped by a poll or tick: hints alone must do."""
    monkeypatch.setattr("workmill.endpoint.waiting_workers.TICK_SECONDS", 1000.0)
    monkeypatch.setattr("workmill.endpoint.job_watcher.POLL_SECONDS", 1000.0)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One endpoint for all tests of a module that do not mind each other's jobs."""
    with Running(tmp_path_factory.mktemp("store"), EndpointSettings(port=0)) as running:
        yield running


def in_thread(call: Callable[..., Any], *given: Any) -> Callable[[], Any]:
    """Begin a call in a thread; the returned function waits for its answer."""
    answers: list[Any] = []
    thread = threading.Thread(target=lambda: answers.append(call(*given)), daemon=True)
    thread.start()

    def answer() -> Any:
        thread.join(TEST_SECONDS)
        assert answers, "no answer came"
        return answers[0]

    return answer
