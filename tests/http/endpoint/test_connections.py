"""Connections: bounded below the process's descriptors, given back, and never mixed up."""

from __future__ import annotations

import json
import re
import resource
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest
from tests.http.endpoint.conftest import TEST_SECONDS, Running, Start, in_thread
from tests.http.endpoint.raw_lines import responses, talk

from workmill.endpoint import connection_limits

HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"


@contextmanager
def _crowd(port: int, count: int, sent: bytes = b"") -> Iterator[list[socket.socket]]:
    """Callers that send this, or nothing, and stay."""
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", port), timeout=TEST_SECONDS)
            lines.append(stack.enter_context(line))
            line.sendall(sent)
        yield lines


def _is_closed(line: socket.socket) -> bool:
    line.settimeout(TEST_SECONDS)
    return line.recv(1) == b""


@pytest.mark.parametrize("sent", [b"", b"GET /hea"], ids=["silent", "half a head"])
def test_a_silent_crowd_keeps_nobody_out(
    start: Start, capfd: pytest.CaptureFixture[str], sent: bytes
) -> None:
    """The connection that has been idle longest makes room, and the log says so once."""
    running = start(max_connections=5)
    with _crowd(running.port, 30, sent) as lines:
        assert httpx.get(running.url + "/healthz").status_code == 200
        assert httpx.get(running.url + "/v1/jobs").status_code == 200
        for line in (lines[0], lines[20]):
            assert line.recv(1) == b"H" if sent else _is_closed(line)
    noted = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    (full,) = [line for line in noted if line["event"] == "endpoint.connections_full"]
    assert (full["level"], full["max_connections"]) == ("warning", 5)


def test_the_one_that_has_been_idle_longest_goes(start: Start) -> None:
    """Not one that has just been used, and none that is being answered."""
    running = start(max_connections=3)
    job_id = running.submit(b"awaited", 4)
    wait = f"GET /v1/jobs/{job_id}?wait=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    running.http.close()
    with _crowd(running.port, 1, wait) as (waits,), _crowd(running.port, 2) as (used, idle):
        used.sendall(HEALTH)
        assert used.recv(65536).startswith(b"HTTP/1.1 200 ")
        with _crowd(running.port, 1, HEALTH) as (new,):
            assert new.recv(65536).startswith(b"HTTP/1.1 200 ")
            assert _is_closed(idle)
            used.sendall(HEALTH)
            assert used.recv(65536).startswith(b"HTTP/1.1 200 ")
            running.stop()
            assert waits.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_when_all_are_busy_health_is_answered(start: Start) -> None:
    """And all else is told to come back: 503 with Retry-After."""
    running = start(max_connections=2)
    job_id = running.submit(b"awaited", 4)
    running.http.close()
    wait = f"GET /v1/jobs/{job_id}?wait=30 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
    with _crowd(running.port, 2, wait), _crowd(running.port, 2):
        for path, status in (("/healthz", 200), ("/readyz", 200), ("/v1/jobs", 503)):
            reply = httpx.get(running.url + path)
            assert reply.status_code == status
            assert reply.headers["connection"] == "close"
        assert int(reply.headers["retry-after"]) >= 1


def test_connections_keep_below_the_limit_of_descriptors(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """With a reserve for the store; a lowered bound is told."""
    for soft, expected in ((200, 120), (1024, 880), (20_000, 4096), (70, 8)):
        monkeypatch.setattr(resource, "getrlimit", lambda _which, soft=soft: (soft, 20_000))
        assert connection_limits.within_descriptors(4096) == expected
    noted = [json.loads(line)["event"] for line in capfd.readouterr().err.splitlines()]
    assert noted == ["endpoint.connections_bounded"] * 3


_FEW_DESCRIPTORS = """
import resource, sys
from pathlib import Path
from workmill.endpoint import EndpointSettings, serve
from workmill.store.sqlite import SqliteStore
resource.setrlimit(resource.RLIMIT_NOFILE, (200, 200))
serve(lambda: SqliteStore(Path(sys.argv[1])), EndpointSettings(port=0))
"""


def test_a_process_with_few_descriptors_stays_healthy(tmp_path: Path) -> None:
    """250 idle connections, 200 descriptors: health and submits are answered, and it is told."""
    words = [sys.executable, "-c", _FEW_DESCRIPTORS, str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        lines = [child.stderr.readline(), child.stderr.readline()]
        found = re.search(r'"url":"(http://127.0.0.1:(\d+))"', "".join(lines))
        assert found
        with _crowd(int(found[2]), 250):
            assert httpx.get(found[1] + "/healthz").status_code == 200
            assert httpx.put(found[1] + "/enqueue?iterations=2", content=b"x").status_code == 200
        child.terminate()
        lines += child.stderr.read().splitlines()
    events = [json.loads(line)["event"] for line in lines]
    assert "endpoint.connections_bounded" in events
    assert "endpoint.connections_full" in events
    assert child.returncode == 0


def test_an_event_stream_in_http_10_is_plain(start: Start) -> None:
    """No chunk sizes stand in the data, and its end is the connection's (RFC 9112, section 6.3)."""
    raw = talk(start().port, [b"GET /v1/events HTTP/1.0\r\n\r\n"], half_close=True)
    (found,) = responses(raw)
    assert "transfer-encoding" not in found.headers
    assert found.headers["connection"] == "close"
    assert found.body.startswith(b"event: stats\ndata: {")
    assert found.body.endswith(b"}\n\n")


LENGTH = b" HTTP/1.1\r\nHost: x\r\nContent-Length: 2000000\r\n\r\n"
REFUSED = {
    "too long": b"PUT /enqueue?iterations=2" + LENGTH,
    "no number": b"PUT /enqueue?iterations=z" + LENGTH,
    "no such path": b"PUT /nowhere" + LENGTH,
    "not read": b"GET /healthz" + LENGTH,
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_body_that_goes_on_after_its_answer_is_no_request(shared: Running, name: str) -> None:
    """Its bytes look like requests. One answer comes, whole, and nothing is stored."""
    put = b"PUT /enqueue?iterations=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
    before = shared.stored()
    found = responses(talk(shared.port, [REFUSED[name], *[put * 100] * 20]))
    assert len(found) == 1
    assert found[0].headers["connection"] == "close"
    assert shared.stored() == before


def test_a_refused_request_whose_body_has_come_costs_no_connection(shared: Running) -> None:
    """What lies behind it is the next request."""
    head = b"PUT /enqueue?iterations=z HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
    last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    found = responses(talk(shared.port, [head + b"GET " + head + b"GET " + last]))
    assert [one.status for one in found] == [422, 422, 200]


def test_every_answer_belongs_to_its_request(shared: Running) -> None:
    """Hundreds of requests in one write, on several connections at once."""
    ids = [f"01890000-0000-7000-8000-{number:012x}" for number in range(300)]
    asked = b"".join(b"GET /v1/jobs/%b HTTP/1.1\r\nHost: x\r\n\r\n" % one.encode() for one in ids)
    last = HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    waiting = [in_thread(talk, shared.port, [asked + last]) for _ in range(4)]
    for answer in waiting:
        *found, _ = responses(answer())
        for job_id, one in zip(ids, found, strict=True):
            assert f"no job {job_id}." in json.loads(one.body)["detail"]


def test_a_slow_reader_gets_a_whole_answer(shared: Running) -> None:
    """However little it takes at a time; meanwhile others are served."""
    with socket.create_connection(("127.0.0.1", shared.port), timeout=TEST_SECONDS) as line:
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n"
        line.sendall(request * 3 + HEALTH.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        assert shared.http.get("/healthz").status_code == 200
        found = responses(b"".join(iter(lambda: line.recv(4096), b"")))
    assert [one.status for one in found] == [200] * 4
    assert len({one.body for one in found}) == 2


def test_who_expects_100_continue_is_told_once(shared: Running) -> None:
    """Before the body, and not in HTTP/1.0 (RFC 9110, section 10.1.1)."""
    head = b"PUT /enqueue?iterations=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
    with socket.create_connection(("127.0.0.1", shared.port), timeout=TEST_SECONDS) as line:
        line.sendall(head + b"Content-Length: 4\r\nExpect: 100-Continue\r\n\r\n")
        assert line.recv(65536) == b"HTTP/1.1 100 Continue\r\n\r\n"
        line.sendall(b"body")
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_a_drain_waits_until_the_last_answers_have_arrived(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Results that were pulled just before are delivered, not brought back."""
    running = start()
    running.submit(b"pulled", 2)
    running.work()
    told = threading.Event()
    acknowledge = running.store.acknowledge

    def listen(words: object) -> object:
        told.set()
        return acknowledge(words)

    monkeypatch.setattr(running.store, "acknowledge", listen, raising=False)
    assert len(running.pull()) == 1
    running.stop()
    running.join()
    assert told.is_set()
