"""The worker's face: leases that wait for work, verdicts, and a fleet of real processes."""

from __future__ import annotations

import multiprocessing
import socket
import uuid
from multiprocessing.queues import Queue
from typing import Any

import httpx
import msgspec
import pytest
from tests.http.endpoint.conftest import Running, Start, finished, in_thread, lease_request

from workmill.domain.job import Completion, Failure, Lease, Load, Node, Release, Renewal, Verdict
from workmill.wire import paths
from workmill.wire.messages import NodeList


@pytest.mark.usefixtures("without_polls")
def test_an_idle_worker_is_woken_by_a_submit(start: Start) -> None:
    """A lease call that waits is answered by the job that comes, not by its time-out."""
    running = start()
    leases = in_thread(_lease_apart, running, 30)
    assert running.lease(wait="0.1") == []
    job_id = running.submit(b"wake up", 5)
    assert [str(uuid.UUID(bytes=one.id)) for one in leases()] == [job_id]


@pytest.mark.usefixtures("without_polls")
def test_an_idle_worker_is_woken_by_a_release(start: Start) -> None:
    """Work handed back goes to whoever waits."""
    running = start()
    running.submit(b"hand back", 5)
    (held,) = running.lease()
    leases = in_thread(_lease_apart, running, 30)
    assert running.lease(wait="0.1") == []
    back = Release(id=held.id, token=held.token, done=2, state=bytes(64))
    assert running.post(paths.WORK_RELEASE, [back], list[Verdict]) == [Verdict.APPLIED]
    (again,) = leases()
    assert (again.id, again.done, again.state) == (held.id, 2, bytes(64))
    assert again.token > held.token


def test_waiting_for_work_ends_with_its_time(shared: Running) -> None:
    """No work: an empty list after `wait` seconds."""
    shared.work()
    assert shared.lease(wait="0.05") == []


def test_a_worker_that_hung_up_is_not_given_work(start: Start) -> None:
    """Its waiting call dies with its connection; the job goes to the next, its attempts unspent."""
    running = start()
    body = msgspec.msgpack.encode(lease_request())
    head = f"POST {paths.WORK_LEASE}?wait=30 HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n"
    with socket.create_connection(("127.0.0.1", running.port)) as line:
        line.sendall(head.encode() + b"\r\n" + body)
        assert running.lease(wait="0.1") == []
    assert running.lease(wait="0.1") == []
    running.submit(b"for the living", 5)
    (lease,) = running.lease(wait="20")
    assert lease.attempts == 1


def test_every_word_of_a_worker(shared: Running) -> None:
    """Renew, fail and complete answer item by item; a stale token changes nothing."""
    shared.work()
    shared.submit(b"every word", 9)
    (held,) = shared.lease()
    renewal = Renewal(id=held.id, token=held.token, done=4, state=bytes(64), lease_seconds=30)
    stale = msgspec.structs.replace(renewal, token=held.token - 1)
    unknown = msgspec.structs.replace(renewal, id=bytes(16))
    verdicts = shared.post(paths.WORK_RENEW, [renewal, stale, unknown], list[Verdict])
    assert verdicts == [Verdict.APPLIED, Verdict.STALE, Verdict.UNKNOWN]
    fail = Failure(id=held.id, token=held.token, reason="bad luck", retryable=False)
    assert shared.post(paths.WORK_FAIL, [fail], list[Verdict]) == [Verdict.APPLIED]
    view = shared.http.get(f"/v1/jobs/{uuid.UUID(bytes=held.id)}").json()
    assert (view["status"], view["reason"], view["done"]) == ("failed", "bad luck", 4)
    late = Completion(id=held.id, token=held.token, state=bytes(64))
    assert shared.post(paths.WORK_COMPLETE, [late], list[Verdict]) != [Verdict.APPLIED]


def node(**about: Any) -> Node:
    """A worker that beats."""
    return msgspec.structs.replace(
        Node(incarnation="n1", role="worker", host="h", pid=7, version="1"), **about
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (paths.WORK_LEASE, {"worker": "w"}),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), lease_seconds=0.0)),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), lease_seconds=1e9)),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), min_jobs=0)),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), max_jobs=10**6)),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), max_cost=2**63)),
        (paths.WORK_RENEW, [{"id": "text"}]),
        (paths.WORK_RENEW, "no list"),
        (paths.WORK_COMPLETE, [Completion(id=bytes(16), token=2**63, state=b"")]),
        (paths.WORK_COMPLETE, [Completion(id=bytes(16), token=1, state=bytes(5000))]),
        (paths.WORK_FAIL, [Failure(id=bytes(16), token=1, reason="x" * 501)]),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), lease_seconds=float("nan"))),
        (paths.WORK_LEASE, msgspec.structs.replace(lease_request(), worker="w" * 201)),
        (paths.BEAT, {"incarnation": 5}),
        *((paths.BEAT, node(rate_hz=rate)) for rate in (float("nan"), float("inf"), -1.0)),
        (paths.BEAT, node(leased=2**63)),
        (paths.BEAT, node(host="h" * 201)),
        (paths.BEAT, node(role="endpoint")),
        (paths.BEAT, node(role="endpoint", serves="10.0.0.1:5000")),
        (paths.BEAT, node(serves="10.0.0.1:5000")),
        (paths.BEAT, node(role="controller", serves="10.0.0.1:5000")),
        (paths.BEAT, node(role="janitor")),
        (paths.BEAT, node(leads=7)),
        (paths.BEAT, node(role="controller", leads=-1)),
        (paths.BEAT, node(role="controller", leads=2**63)),
        *(
            (paths.BEAT, node(load=msgspec.structs.replace(Load(), **{name: figure})))
            for name in Load.__struct_fields__
            if name != "resident_bytes"
            for figure in (float("nan"), float("inf"), -1.0)
        ),
        (paths.BEAT, node(load=Load(resident_bytes=-1))),
        (paths.BEAT, node(load=Load(resident_bytes=2**63))),
        (paths.BEAT, node(load=Load(memory_fraction=1.01))),
        (paths.BEAT, node(load=Load(disk_fraction=1.01))),
    ],
)
def test_what_no_worker_says_is_refused(shared: Running, path: str, message: object) -> None:
    """422 with a problem document; nothing changes and the others' group is not harmed."""
    reply = shared.http.post(path, content=msgspec.msgpack.encode(message))
    assert reply.status_code == 422
    assert reply.json()["status"] == 422


def test_who_may_not_serve_is_told_why_and_is_not_listed(shared: Running) -> None:
    """Nobody with a mere key puts himself behind the balancer."""
    stranger = node(incarnation="stranger", role="endpoint", serves="10.0.0.1:5000")
    reply = shared.http.post(paths.BEAT, content=msgspec.msgpack.encode(stranger))
    assert (reply.status_code, "serves" in reply.json()["detail"]) == (422, True)
    assert "stranger" not in shared.http.get(paths.NODES).text


def test_a_load_and_a_term_are_listed_as_they_were_beaten(shared: Running) -> None:
    """What a controller decides by arrives whole."""
    load = Load(cpu_cores=2.5, resident_bytes=2**40, memory_fraction=1.0, disk_fraction=0.5)
    leader = node(incarnation="c1", role="controller", load=load, leads=2**62)
    reply = shared.http.post(paths.BEAT, content=msgspec.msgpack.encode(leader))
    assert reply.status_code == 204
    listed = msgspec.json.decode(shared.http.get(paths.NODES).content, type=NodeList).nodes
    (found,) = (one for one in listed if one.incarnation == "c1")
    assert msgspec.structs.replace(found, seen_at_ms=0) == leader


def test_beats_show_up_in_nodes_stats_and_predictions(start: Start) -> None:
    """The fleet's rate makes the predicted seconds honest."""
    running = start()
    reply = running.http.post(paths.BEAT, content=msgspec.msgpack.encode(node(rate_hz=1000.0)))
    assert reply.status_code == 204
    nodes = running.http.get(paths.NODES).json()["nodes"]
    assert "n1" in [one["incarnation"] for one in nodes]
    running.submit(b"for a prediction", 10_001)
    stats = running.http.get(paths.STATS).json()
    assert (stats["rate_hz"], stats["workers"], stats["backlog_seconds"]) == (1000.0, 1, 10.0)
    path = f"/v1/jobs/{uuid.uuid4()}"
    submitted = running.http.put(path + "?iterations=5000", content=b"behind it").json()
    assert submitted["eta_seconds"] == 14.999
    running.http.get(paths.STATS)
    assert running.http.get(path).json()["eta_seconds"] == 14.999


def _lease_apart(running: Running, seconds: int) -> list[Lease]:
    """Lease on a connection of its own."""
    body = msgspec.msgpack.encode(lease_request())
    reply = httpx.post(f"{running.url}{paths.WORK_LEASE}?wait={seconds}", content=body, timeout=40)
    return msgspec.msgpack.decode(reply.content, type=list[Lease])


def _race(url: str, granted: Queue[list[tuple[bytes, int]]]) -> None:
    """One worker process: lease and complete until there is nothing left."""
    mine: list[tuple[bytes, int]] = []
    with httpx.Client(base_url=url, timeout=60) as http:
        while True:
            body = msgspec.msgpack.encode(lease_request(max_jobs=17))
            reply = http.post(paths.WORK_LEASE, content=body)
            leases = msgspec.msgpack.decode(reply.content, type=list[Lease])
            if not leases:
                break
            mine += [(one.id, one.token) for one in leases]
            done = msgspec.msgpack.encode([finished(one) for one in leases])
            verdicts = http.post(paths.WORK_COMPLETE, content=done)
            assert set(msgspec.msgpack.decode(verdicts.content)) == {"applied"}
    granted.put(mine)


def test_real_processes_race_for_leases(start: Start) -> None:
    """2,000 jobs, four processes: every job is granted once and completed once."""
    running = start()
    items = [{"iterations": 3, "data": b"race %d" % number} for number in range(2000)]
    headers = {"Content-Type": "application/msgpack"}
    for half in (items[:1000], items[1000:]):
        body = msgspec.msgpack.encode(half)
        assert running.http.post("/v1/jobs", content=body, headers=headers).status_code == 200
    context = multiprocessing.get_context("spawn")
    granted: Queue[list[tuple[bytes, int]]] = context.Queue()
    racers = [context.Process(target=_race, args=(running.url, granted)) for _ in range(4)]
    for racer in racers:
        racer.start()
    grants = [grant for _ in racers for grant in granted.get(timeout=60)]
    for racer in racers:
        racer.join(20)
        assert racer.exitcode == 0
    granted.close()
    assert len(grants) == len({job_id for job_id, _ in grants}) == 2000
    stats = running.http.get(paths.STATS).json()["stats"]
    assert (stats["completed_total"], stats["backlog_iterations"]) == (2000, 0)
    assert len({one["id"] for one in running.pull(10_000)}) == 2000
