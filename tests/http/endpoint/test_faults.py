"""Overload, a failing store, a lost store, and the end of a process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.http.endpoint.conftest import (
    Gated,
    Running,
    Start,
    answers_with,
    finished,
    in_thread,
    lease_request,
)
from tests.system.service_definition import value_of

from workmill.domain.errors import StoreLost, StoreUnavailable, Unavailable
from workmill.domain.job import Lease, Renewal, Verdict
from workmill.endpoint import Endpoint, EndpointSettings
from workmill.store.sqlite import SqliteStore
from workmill.wire import paths


def test_under_overload_new_work_is_refused_and_running_work_is_not(start: Start) -> None:
    """Promise 6: submits get 503 with Retry-After, renew, complete and ack are taken."""
    running = start(max_pending_jobs=1)
    running.submit(b"in hand", 4)
    running.submit(b"in the other hand", 4)
    running.submit(b"done already", 1)
    held = running.lease()
    receipt = running.http.post("/v1/results/pull?top=1").json()["receipt"]
    running.store.open.clear()
    waiting = in_thread(_put, running, b"waits for the store")
    assert running.store.held.wait(20)
    answers = [in_thread(call) for call in _words(running, held, receipt)]
    refused = in_thread(_put, running, b"too much")()
    running.store.open.set()
    assert refused.status_code == 503
    assert refused.json()["type"] == "urn:workmill:problem:unavailable"
    assert int(refused.headers["retry-after"]) >= 1
    assert waiting().status_code == 200
    renewed, completed, delivered = [answer() for answer in answers]
    assert msgspec.msgpack.decode(renewed.content) == [Verdict.APPLIED]
    assert msgspec.msgpack.decode(completed.content) == [Verdict.APPLIED]
    assert delivered.json() == {"delivered": 1}
    assert running.stored() == 4


def _put(running: Running, data: bytes) -> httpx.Response:
    return httpx.put(running.url + "/enqueue?iterations=4", content=data, timeout=20)


def _words(running: Running, held: list[Lease], receipt: str) -> list[Callable[[], httpx.Response]]:
    kept, over = held
    renewal = Renewal(
        id=kept.id, token=kept.token, done=kept.done, state=kept.state, lease_seconds=30
    )
    bodies = {
        paths.WORK_RENEW: msgspec.msgpack.encode([renewal]),
        paths.WORK_COMPLETE: msgspec.msgpack.encode([finished(over)]),
        paths.RESULTS_ACK: json.dumps({"receipt": receipt}).encode(),
    }
    return [
        partial(httpx.post, running.url + path, content=body, timeout=20)
        for path, body in bodies.items()
    ]


def test_a_store_that_does_not_confirm_is_told_as_such(start: Start) -> None:
    """503 with Retry-After, and repeating with the same id is harmless."""
    running = start()
    path = "/v1/jobs/01890000-0000-7000-8000-000000000001?iterations=3"
    running.store.error = StoreUnavailable("no answer", retry_after_seconds=2)
    reply = running.http.put(path, content=b"unsure")
    assert (reply.status_code, reply.headers["retry-after"]) == (503, "2")
    assert reply.json()["type"] == "urn:workmill:problem:store-unavailable"
    running.store.error = None
    assert running.http.put(path, content=b"unsure").status_code == 200
    assert running.stored() == 1


def test_readiness_follows_the_store(start: Start) -> None:
    """Not ready while the store does not answer, ready again by itself; always alive."""
    running = start()
    assert running.http.get("/readyz").status_code == 200
    running.store.error = StoreUnavailable("no answer")
    assert running.http.get(paths.STATS).status_code == 503
    assert running.http.get("/readyz").status_code == 503
    assert running.http.get("/healthz").status_code == 200
    running.store.error = None
    answers_with(running, "/readyz", 200)


def test_a_lost_store_ends_the_process(start: Start) -> None:
    """Nothing can be promised any more: the endpoint drains and says why, to be replaced."""
    running = start()
    running.store.error = StoreLost("the disk said no")
    assert running.http.put("/enqueue?iterations=3", content=b"x").status_code == 503
    running.join()
    assert isinstance(running.failure, StoreLost)


@pytest.mark.usefixtures("without_polls")
def test_a_drain_answers_everybody_and_keeps_everything(start: Start, tmp_path: Path) -> None:
    """Long-polls and idle workers are answered at once; what was acknowledged is in the file."""
    running = start()
    job_id = running.submit(b"kept", 4)
    (held,) = running.lease()
    poll = in_thread(
        lambda: httpx.get(f"{running.url}/v1/jobs/{job_id}?wait=30", timeout=40).json()
    )
    idle = in_thread(_lease_apart, running)
    assert running.lease(wait="0.2") == []
    running.stop()
    assert poll()["status"] == "leased"
    assert idle() == []
    running.join()
    store = SqliteStore(tmp_path / "0")
    with store.group():
        (job,) = store.get([held.id])
    store.close()
    assert job is not None


def _lease_apart(running: Running) -> list[Lease]:
    body = msgspec.msgpack.encode(lease_request())
    reply = httpx.post(f"{running.url}{paths.WORK_LEASE}?wait=30", content=body, timeout=40)
    return msgspec.msgpack.decode(reply.content, type=list[Lease])


_SERVER = """
import sys
from pathlib import Path
from workmill.endpoint import EndpointSettings, serve
from workmill.store.sqlite import SqliteStore
serve(lambda: SqliteStore(Path(sys.argv[1])), EndpointSettings(port=0))
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_the_process(tmp_path: Path, number: signal.Signals) -> None:
    """Exit status 0, a line for the start and one for the end, and the jobs in the file."""
    words = [sys.executable, "-c", _SERVER, str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        ready = json.loads(child.stderr.readline())
        assert (ready["event"], ready["host"]) == ("endpoint.ready", "127.0.0.1")
        reply = httpx.put(ready["url"] + "/enqueue?iterations=1", content=b"before the end")
        child.send_signal(number)
        lines = child.stderr.read().splitlines()
    assert child.returncode == 0
    assert json.loads(lines[-1])["event"] == "endpoint.drained"
    store = SqliteStore(tmp_path)
    with store.group():
        (job,) = store.get([bytes.fromhex(reply.json()["id"].replace("-", ""))])
    store.close()
    assert job is not None
    assert job.state.hex() == value_of(b"before the end", 1)


def test_a_taken_address_is_said_plainly(shared: Running, tmp_path: Path) -> None:
    """No traceback of the socket room: what happened and what to do."""
    settings = EndpointSettings(port=shared.port)
    with pytest.raises(Unavailable, match="--port"):
        Endpoint(lambda: SqliteStore(tmp_path), settings).run()


def test_a_store_that_cannot_be_opened_is_said_plainly(shared: Running) -> None:
    """What opening raises comes out of `run`."""

    def locked() -> Gated:
        raise StoreUnavailable("it has an owner")

    with pytest.raises(StoreUnavailable, match="owner"):
        Endpoint(locked, EndpointSettings(port=0)).run()
    assert shared.http.get("/readyz").status_code == 200
