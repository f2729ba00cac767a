"""When callers hold every connection: health answers at once, the slow give way, all are told."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import httpx
import pytest
from tests.http.endpoint.conftest import TEST_SECONDS, Running, Start
from tests.http.endpoint.raw_lines import Response, responses

from workmill.endpoint import connection_limits
from workmill.endpoint.connection_limits import streams_within

HALF_SENT = b"PUT /enqueue?iterations=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"
STREAM = b"GET /v1/events HTTP/1.1\r\nHost: x\r\n\r\n"
BOUND = 4


@contextmanager
def _crowd(running: Running, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Callers that send this and stay."""
    with ExitStack() as stack:
        lines = []
        for _ in range(count):
            line = socket.create_connection(("127.0.0.1", running.port), timeout=TEST_SECONDS)
            lines.append(stack.enter_context(line))
            line.sendall(sent)
        yield lines


def _refusal(line: socket.socket) -> Response:
    (found,) = responses(b"".join(iter(lambda: line.recv(65536), b"")))
    assert found.status == 503
    assert found.headers["connection"] == "close"
    assert int(found.headers["retry-after"]) >= 1
    assert json.loads(found.body)["type"] == "urn:workmill:problem:unavailable"
    return found


def _are_healthy(running: Running) -> None:
    for _ in range(20):
        for path in ("/healthz", "/readyz"):
            assert httpx.get(running.url + path).status_code == 200


def test_who_is_beyond_the_bound_is_told_and_health_answers(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten times as many half-sent requests as connections: those over it all hear 503, and at no
    time do they keep `/healthz` and `/readyz` waiting for their own end."""
    monkeypatch.setattr(connection_limits, "SLOW_SECONDS", 1000.0)
    running = start(max_connections=BOUND)
    with _crowd(running, 10 * BOUND, HALF_SENT) as lines:
        _are_healthy(running)
        for line in lines[BOUND:]:
            _refusal(line)
        for line in lines[:BOUND]:
            line.sendall(b"whole")
            assert line.recv(65536).startswith(b"HTTP/1.1 200 ")


def test_event_streams_leave_most_connections_to_others(start: Start) -> None:
    """They have no end: at most a quarter of all, asked for at once or not."""
    running = start(max_connections=2 * BOUND)
    with _crowd(running, 10 * BOUND, STREAM) as lines:
        _are_healthy(running)
        taken = [line for line in lines if line.recv(12) == b"HTTP/1.1 200"]
        assert len(taken) == 2 * BOUND // connection_limits.STREAMS_SHARE
        assert httpx.get(running.url + "/v1/stats").status_code == 200


def test_streams_are_a_share_of_the_connections() -> None:
    """And never more than was asked for, nor none."""
    assert [streams_within(bound, 256) for bound in (4096, 120, 8, 1)] == [256, 30, 2, 1]


def test_a_halted_body_gives_way_to_a_newcomer(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one that halted first; it is told so, and nothing of it is stored."""
    monkeypatch.setattr(connection_limits, "SLOW_SECONDS", 0.0)
    running = start(max_connections=BOUND)
    running.http.close()
    with _crowd(running, BOUND, HALF_SENT) as lines:
        reply = httpx.put(running.url + "/enqueue?iterations=2", content=b"whole")
        assert reply.status_code == 200
        assert "Nothing was stored" in json.loads(_refusal(lines[0]).body)["detail"]
        stats = httpx.get(running.url + "/v1/stats").json()
        assert stats["stats"]["submitted_total"] == 1


def test_half_a_head_that_gives_way_is_told(start: Start) -> None:
    """Not only cut off: its caller knows that nothing came of it, and when to come back."""
    running = start(max_connections=BOUND)
    with _crowd(running, BOUND + 1, b"GET /hea") as lines:
        _refusal(lines[0])


def test_a_drain_tells_those_whose_bodies_have_halted(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """503 and nothing stored, before the drain's time is over and they are cut off."""
    monkeypatch.setattr(connection_limits, "SLOW_SECONDS", 0.0)
    running = start(drain_seconds=1000.0)
    with _crowd(running, 1, HALF_SENT) as (line,):
        assert running.http.get("/healthz").status_code == 200
        running.stop()
        _refusal(line)
    running.join()
