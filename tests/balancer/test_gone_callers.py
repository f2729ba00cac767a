"""Callers that hang up behind HAProxy before they are answered: nothing is handed out to nobody."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from tests.balancer.doors import Door
from tests.http.endpoint.conftest import TEST_SECONDS, Running, lease_request
from tests.http.endpoint.raw_lines import responses

from workmill.controller.balancer import Place
from workmill.domain.job import Lease
from workmill.endpoint import EndpointSettings

CALLERS = 4
PULL = b"POST /pullCompleted?top=2 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture
def running(tmp_path: Path, door: Door, monkeypatch: pytest.MonkeyPatch) -> Iterator[Running]:
    """An endpoint behind the door that takes every answer for a late one, on a busy machine."""
    monkeypatch.setattr("workmill.endpoint.app.WAITED_SECONDS", 0.0)
    monkeypatch.setattr("workmill.endpoint.results.PULL_HOLD_SECONDS", 1.0)
    monkeypatch.setattr("workmill.endpoint.worker_api.LEASE_HOLD_SECONDS", 1.0)
    with Running(tmp_path, EndpointSettings(port=0)) as endpoint:
        door.add(Place("127.0.0.1", endpoint.port))
        yield endpoint


def _asked(door: Door, running: Running, sent: bytes) -> list[socket.socket]:
    """Callers whose requests are with an endpoint that cannot answer yet."""
    running.store.open.clear()
    running.store.held.clear()
    lines = [
        socket.create_connection(("127.0.0.1", door.port), TEST_SECONDS) for _ in range(CALLERS)
    ]
    for line in lines:
        line.sendall(sent)
    assert running.store.held.wait(TEST_SECONDS)
    return lines


def _hang_up(lines: list[socket.socket], *, reset: bool) -> None:
    for line in lines:
        if reset:
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        line.close()


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_results_come_back(door: Door, running: Running, reset: bool) -> None:
    """HAProxy takes them for its caller, and they are not delivered by that."""
    ids = {running.submit(b"%d" % number) for number in range(2 * CALLERS)}
    running.work()
    _hang_up(_asked(door, running, PULL), reset=reset)
    running.store.open.set()
    got: set[str] = set()
    while got < ids:
        for job_id in ids - got:
            assert running.http.get(f"/v1/jobs/{job_id}").json()["delivery"] != "delivered"
        got |= {one["id"] for one in running.pull()}


def test_who_still_reads_has_them(door: Door, running: Running) -> None:
    """Be it that he has ended his sending: his answer is whole, and comes once."""
    ids = {running.submit(b"%d" % number) for number in range(2 * CALLERS)}
    running.work()
    lines = _asked(door, running, PULL)
    for line in lines[::2]:
        line.shutdown(socket.SHUT_WR)
    running.store.open.set()
    got = []
    for line in lines:
        with line:
            (answer,) = responses(b"".join(iter(lambda line=line: line.recv(65536), b"")))  # type: ignore[misc]
        got += [one["id"] for one in json.loads(answer.body)]
    assert len(got) == len(ids)
    assert set(got) == ids
    assert running.pull() == []


@pytest.mark.parametrize("reset", [False, True], ids=["closed", "reset"])
def test_leases_come_back(door: Door, running: Running, reset: bool) -> None:
    """Jobs that were granted to workers which are gone are another's long before the lease ends,
    and no attempt was counted."""
    ids = {running.submit(b"%d" % number) for number in range(CALLERS)}
    body = msgspec.msgpack.encode(lease_request(1))
    head = b"POST /v1/work/lease HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % len(body)
    _hang_up(_asked(door, running, head + body), reset=reset)
    running.store.open.set()
    leases: list[Lease] = []
    while len(leases) < len(ids):
        leases += running.lease(wait=5)
    assert {one.attempts for one in leases} == {1}
