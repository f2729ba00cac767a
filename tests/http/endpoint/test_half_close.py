"""The end of a caller's sending is not its hanging up: a whole answer comes to every call."""

from __future__ import annotations

import http.client
import json
import socket
import struct
import time
from contextlib import closing

import msgspec
import pytest
from tests.http.endpoint.conftest import TEST_SECONDS, Running, Start, in_thread, lease_request
from tests.http.endpoint.raw_lines import Response, responses, talk
from tests.system.service_definition import value_of

from workmill.domain.job import Lease
from workmill.wire import paths

ID = "01890000-0000-7000-8000-000000000001"


def _asked(port: int, *requests: bytes) -> list[Response]:
    """The answers to requests whose sender has shut down his side behind them."""
    return responses(talk(port, [b"".join(requests)], half_close=True))


def _call(method: str, path: str, body: bytes = b"") -> bytes:
    head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def _lease(wait: int = 0) -> bytes:
    return _call("POST", f"{paths.WORK_LEASE}?wait={wait}", msgspec.msgpack.encode(lease_request()))


CALLS = {
    "enqueue": _call("PUT", "/enqueue?iterations=3", b"half"),
    "job": _call("PUT", f"/v1/jobs/{ID}?iterations=3", b"half"),
    "list": _call("GET", "/v1/jobs"),
    "stats": _call("GET", paths.STATS),
    "nodes": _call("GET", paths.NODES),
    "pull": _call("POST", "/pullCompleted?top=5"),
    "pull under a receipt": _call("POST", "/v1/results/pull?top=5"),
    "lease": _lease(),
    "page": _call("GET", "/docs"),
    "metrics": _call("GET", "/metrics"),
    "backup": _call("GET", paths.BACKUP),
}


@pytest.mark.parametrize("name", CALLS)
def test_every_call_is_answered(shared: Running, name: str) -> None:
    """Also one that waits for the store, and three of them on one connection."""
    assert [one.status for one in _asked(shared.port, CALLS[name])] == [200]
    assert [one.status for one in _asked(shared.port, *[CALLS[name]] * 3)] == [200] * 3


def test_all_of_them_on_one_connection(shared: Running) -> None:
    """Each answer stands in its place."""
    found = _asked(shared.port, *CALLS.values())
    assert [one.status for one in found] == [200] * len(CALLS)
    assert b"openapi" in found[list(CALLS).index("page")].body.lower()
    assert b"# HELP" in found[list(CALLS).index("metrics")].body


def test_the_end_may_come_by_itself(shared: Running) -> None:
    """In a segment of its own, when the request is long under way."""
    with socket.create_connection(("127.0.0.1", shared.port), timeout=TEST_SECONDS) as line:
        shared.store.open.clear()
        line.sendall(CALLS["enqueue"])
        assert shared.store.held.wait(TEST_SECONDS)
        line.shutdown(socket.SHUT_WR)
        shared.store.open.set()
        raw = b"".join(iter(lambda: line.recv(65536), b""))
    shared.store.held.clear()
    assert [one.status for one in responses(raw)] == [200]


def test_who_waits_for_a_job_gets_its_end(start: Start) -> None:
    """The wait goes on, and another request behind it is answered after it."""
    running = start()
    job_id = running.submit(b"awaited", 4)
    wait = _call("GET", f"/v1/jobs/{job_id}?wait=20")
    answer = in_thread(_asked, running.port, wait, _call("GET", "/healthz"))
    running.work()
    job, health = answer()
    assert json.loads(job.body)["value"] == value_of(b"awaited", 4)
    assert health.status == 200


@pytest.mark.usefixtures("without_polls")
def test_who_waits_for_work_waits_no_longer(start: Start) -> None:
    """The answer is whole: nothing is there. A lease would go to somebody who has hung up."""
    (found,) = _asked(start().port, _lease(wait=30))
    assert (found.status, msgspec.msgpack.decode(found.body)) == (200, [])


def test_work_that_is_there_is_granted(start: Start) -> None:
    """And stays granted: the answer has arrived."""
    running = start()
    running.submit(b"work", 4)
    (found,) = _asked(running.port, _lease())
    (lease,) = msgspec.msgpack.decode(found.body, type=list[Lease])
    running.complete([lease])
    assert [one["value"] for one in running.pull()] == [value_of(b"work", 4)]


def test_an_event_stream_ends_whole(start: Start) -> None:
    """With the figures and the job as they stand, and its end mark."""
    running = start()
    job_id = running.submit(b"seen", 4)
    (found,) = _asked(running.port, _call("GET", f"/v1/events?id={job_id}"))
    assert found.headers["transfer-encoding"] == "chunked"
    assert found.body.count(b"event: stats") == 2
    assert b'"status":"queued"' in found.body


def test_results_go_to_who_reads_them(start: Start) -> None:
    """Fifty callers that shut down their side get fifty results, each once, and none is left."""
    running = start()
    ids = {running.submit(b"%d" % number, 2) for number in range(50)}
    running.work()
    got = []
    for _ in range(50):
        (found,) = _asked(running.port, _call("POST", "/pullCompleted?top=1"))
        got += [one["id"] for one in json.loads(found.body)]
    assert sorted(got) == sorted(ids)
    assert running.pull() == []
    assert running.http.get(paths.STATS).json()["stats"]["jobs"]["delivered"] == 50


def _send_and_vanish(port: int, request: bytes, how: str) -> None:
    line = socket.create_connection(("127.0.0.1", port), timeout=TEST_SECONDS)
    if how == "reset":
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.sendall(request)
    if how == "shutdown":
        line.shutdown(socket.SHUT_WR)
    line.close()


@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
def test_results_of_a_caller_that_is_gone_come_back(start: Start, how: str) -> None:
    """However it went, before its answer: the next caller gets them, long before a receipt lapses,
    and nothing counts as delivered in between."""
    running = start()
    ids = {running.submit(b"%d" % number, 2) for number in range(30)}
    running.work()
    for _ in range(30):
        _send_and_vanish(running.port, _call("POST", "/pullCompleted?top=3"), how)
    got: set[str] = set()
    while got < ids:
        new = {one["id"] for one in running.pull()}
        assert not got & new, "twice"
        got |= new
    assert running.http.get(paths.STATS).json()["stats"]["jobs"]["delivered"] == 30


@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
def test_a_receipt_that_nobody_holds_does_not_hide_results(start: Start, how: str) -> None:
    """They come back long before it would lapse, which may be hours; who pulls next has them."""
    running = start()
    ids = {running.submit(b"%d" % number, 2) for number in range(30)}
    running.work()
    running.store.open.clear()
    for _ in range(10):
        call = _call("POST", "/v1/results/pull?top=3&receipt_seconds=43200")
        _send_and_vanish(running.port, call, how)
    assert running.store.held.wait(TEST_SECONDS)
    running.store.open.set()
    got: set[str] = set()
    deadline = time.monotonic() + TEST_SECONDS
    while got < ids:
        assert time.monotonic() < deadline, "hidden"
        got |= {one["id"] for one in running.pull()}


def _pulled_and_left(port: int, *, reset: bool) -> list[str]:
    """The ids of one pull over a connection of its own, which is ended once they were read."""
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=TEST_SECONDS)) as line:
        line.request("POST", "/pullCompleted?top=3")
        results = json.loads(line.getresponse().read())
        if reset:
            line.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    return [one["id"] for one in results]


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_who_has_read_its_results_and_ends_the_connection_has_them(
    start: Start, *, reset: bool
) -> None:
    """Once, however the connection ends: balancers end theirs by a reset, which may come without
    the acknowledgement of what was read."""
    running = start()
    ids = [running.submit(b"%d" % number, 1) for number in range(30)]
    pulled = [one for _ in range(12) for one in _pulled_and_left(running.port, reset=reset)]
    assert sorted(pulled) == sorted(ids)


def test_results_that_were_read_before_a_reset_stay_under_their_receipt(start: Start) -> None:
    """Their holder acknowledges them over another connection; meanwhile nobody else gets them."""
    running = start()
    for number in range(20):
        running.submit(b"%d" % number, 2)
    running.work()
    for _ in range(20):
        with socket.create_connection(("127.0.0.1", running.port), timeout=TEST_SECONDS) as line:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            line.sendall(_call("POST", "/v1/results/pull?top=1"))
            assert b'"receipt":' in line.recv(65536)
    assert running.pull() == []


@pytest.mark.parametrize("how", ["close", "shutdown", "reset"])
@pytest.mark.usefixtures("without_polls")
def test_leases_of_a_worker_that_is_gone_come_back(start: Start, how: str) -> None:
    """At once, with no attempt burnt: the next worker is granted the same job."""
    running = start()
    job_id = running.submit(b"work", 4)
    running.store.open.clear()
    _send_and_vanish(running.port, _lease(), how)
    assert running.store.held.wait(TEST_SECONDS)
    running.store.open.set()
    (lease,) = running.lease(wait="20")
    assert lease.id.hex() == job_id.replace("-", "")
    assert lease.attempts == 1


@pytest.mark.parametrize("sent", [b"GET /hea", b"GET /healthz HTTP/1.1\r\nHost: x\r\n"])
def test_half_a_head_is_told_so(shared: Running, sent: bytes) -> None:
    """400, and the end."""
    assert [one.status for one in _asked(shared.port, sent)] == [400]
    assert [one.status for one in _asked(shared.port, CALLS["list"], sent)] == [200, 400]


@pytest.mark.parametrize(
    "framing",
    [b"Content-Length: 9\r\n\r\nhalf", b"Transfer-Encoding: chunked\r\n\r\n9\r\nhalf"],
    ids=["length", "chunked"],
)
@pytest.mark.parametrize("path", [b"/enqueue?iterations=2", b"/v1/jobs/" + ID.encode()])
def test_half_a_body_is_told_so(shared: Running, framing: bytes, path: bytes) -> None:
    """400; nothing is computed over what came."""
    before = shared.stored()
    head = b"PUT " + path.partition(b"?")[0] + b"?iterations=2 HTTP/1.1\r\nHost: x\r\n"
    (found,) = _asked(shared.port, head + framing)
    assert found.status == 400
    assert b"broke off" in found.body
    assert shared.stored() == before


def test_half_a_restore_changes_nothing(start: Start) -> None:
    """What was there is there, and the next restore works."""
    running = start()
    running.submit(b"kept", 4)
    copy = running.http.get(paths.BACKUP).content
    head = f"POST {paths.RESTORE} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(copy)}\r\n\r\n"
    (found,) = _asked(running.port, head.encode() + copy[: len(copy) // 2])
    assert found.status == 400
    assert running.stored() == 1
