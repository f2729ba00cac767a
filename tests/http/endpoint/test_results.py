"""Results: delivered once on the compatible face, under a receipt on the other."""

from __future__ import annotations

import socket
import threading
from typing import Any

import httpx
import pytest
from tests.http.endpoint.conftest import Running, Start, in_thread
from tests.system.service_definition import value_of

from workmill.domain.errors import StoreUnavailable


def _finish(running: Running, count: int) -> list[str]:
    ids = []
    for number in range(count):
        ids.append(running.submit(b"result %d" % number, 3))
        running.work()
    return ids


def test_an_empty_list_when_nothing_is_ready(start: Start) -> None:
    """200 and `[]`, as JSON."""
    reply = start().http.post("/pullCompleted?top=5")
    assert reply.status_code == 200
    assert reply.headers["content-type"] == "application/json"
    assert reply.json() == []


def test_latest_first_and_each_once(start: Start) -> None:
    """`top` results at most, the newest before the older, none twice."""
    running = start()
    ids = _finish(running, 5)
    first, rest = running.pull(2), running.pull(10)
    assert [one["id"] for one in first + rest] == ids[::-1]
    assert first[0] == {"id": ids[4], "value": value_of(b"result 4", 3)}
    assert running.pull() == []


def test_many_pullers_share_without_doubles(start: Start) -> None:
    """Callers at the same time never get the same result."""
    running = start()
    ids = [running.submit(b"%d" % number, 3) for number in range(300)]
    running.work()
    got: list[str] = []

    def puller() -> None:
        with httpx.Client(base_url=running.url, timeout=20) as http:
            while results := http.post("/pullCompleted?top=7").json():
                got.extend(one["id"] for one in results)

    threads = [threading.Thread(target=puller) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(ids)


def test_who_has_given_up_takes_no_results(start: Start) -> None:
    """A caller that hangs up while the store is busy costs nobody a result: it comes back."""
    running = start()
    (job_id,) = _finish(running, 1)
    running.store.open.clear()
    submitted = in_thread(running.submit, b"keeps the store busy")
    assert running.store.held.wait(20)
    with socket.create_connection(("127.0.0.1", running.port)) as line:
        line.sendall(b"POST /pullCompleted?top=9 HTTP/1.1\r\nHost: x\r\n\r\n")
        _let_turn(running)
    _let_turn(running)
    running.store.open.set()
    submitted()
    found: list[dict[str, str]] = []
    while not found:
        found = running.pull()
    assert [one["id"] for one in found] == [job_id]


def _let_turn(running: Running) -> None:
    """Whatever lies in the endpoint's sockets now has been seen when this returns."""
    with httpx.Client(base_url=running.url, timeout=20) as http:
        for _ in range(20):
            assert http.get("/healthz").status_code == 200


@pytest.mark.parametrize("error", [StoreUnavailable("no answer"), RuntimeError("broken")])
def test_an_answer_that_came_is_told_to_the_store_until_it_knows(
    start: Start, error: Exception
) -> None:
    """A store that does not confirm that results were delivered is told again. What it never learns
    comes again when the receipt lapses, and not before."""
    running = start()
    ids = _finish(running, 2)
    looked = running.store.error
    assert [one["id"] for one in running.pull()] == ids[::-1]
    running.store.error = error
    assert running.http.get("/v1/stats").status_code < 600
    running.store.error = looked
    while running.http.get("/v1/stats").json()["stats"]["jobs"].get("delivered", 0) < 2:
        if isinstance(error, RuntimeError):
            break
    assert running.pull() == []


def _pull(running: Running, query: str = "") -> dict[str, Any]:
    reply = running.http.post(f"/v1/results/pull?top=10{query}")
    assert reply.status_code == 200, reply.text
    found: dict[str, Any] = reply.json()
    return found


def _acknowledge(running: Running, **body: Any) -> int:
    reply = running.http.post("/v1/results/ack", json=body)
    assert reply.status_code == 200, reply.text
    return int(reply.json()["delivered"])


def test_under_a_receipt_nobody_else_gets_them(start: Start) -> None:
    """Until it lapses; acknowledged results are delivered for good."""
    running = start()
    ids = _finish(running, 3)
    pulled = _pull(running)
    assert [one["id"] for one in pulled["results"]] == ids[::-1]
    assert _pull(running) == {"results": [], "receipt": None}
    assert _acknowledge(running, receipt=pulled["receipt"], ids=ids[:1]) == 1
    assert _acknowledge(running, receipt=pulled["receipt"]) == 2
    assert _acknowledge(running, receipt=pulled["receipt"]) == 0


def test_results_not_acknowledged_come_back(start: Start) -> None:
    """A puller that dies loses nothing."""
    running = start()
    ids = _finish(running, 1)
    lost = _pull(running, "&receipt_seconds=0.001")
    found: list[Any] = []
    while not found:
        found = _pull(running)["results"]
    assert [one["id"] for one in found] == ids
    assert _acknowledge(running, receipt=lost["receipt"]) == 0


@pytest.mark.parametrize(
    "query", ["receipt_seconds=0", "receipt_seconds=-1", "receipt_seconds=1e9"]
)
def test_a_receipt_has_bounds(shared: Running, query: str) -> None:
    """Its seconds are strict and bounded."""
    assert shared.http.post(f"/v1/results/pull?top=1&{query}").status_code == 422


@pytest.mark.parametrize("body", [b"", b"{}", b'{"receipt": "xyz"}', b'{"receipt": 5}', b"\xff"])
def test_a_broken_acknowledgement_is_refused(shared: Running, body: bytes) -> None:
    """422, nothing changed."""
    assert shared.http.post("/v1/results/ack", content=body).status_code == 422
