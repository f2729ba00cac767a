"""Batches: item by item taken or refused, in MessagePack and NDJSON."""

from __future__ import annotations

import base64
import hashlib
import json
import uuid
from typing import Any

import msgspec
import pytest
from tests.http.endpoint.conftest import Running, Start
from tests.system.service_definition import value_of

from workmill.wire import codecs
from workmill.wire.messages import BatchItem, SubmitReply


def _send(running: Running, items: list[Any], status: int = 200) -> list[SubmitReply]:
    headers = {"Content-Type": codecs.MSGPACK}
    body = msgspec.msgpack.encode(items)
    reply = running.http.post("/v1/jobs", content=body, headers=headers)
    assert reply.status_code == status, reply.text
    return msgspec.msgpack.decode(reply.content, type=list[SubmitReply]) if status == 200 else []


def test_a_thousand_jobs_in_one_body(shared: Running) -> None:
    """All are taken, in order, and every value is right."""
    items = [
        BatchItem(iterations=2, data=memoryview(b"batch %d" % number)) for number in range(1000)
    ]
    replies = _send(shared, items)
    shared.work()
    for number in (0, 499, 999):
        view = shared.http.get(f"/v1/jobs/{replies[number].id}").json()
        assert view["value"] == value_of(b"batch %d" % number, 2)


def test_lines_of_json(shared: Running) -> None:
    """NDJSON in, NDJSON out; bytes are Base64."""
    data = base64.b64encode(b"line").decode()
    lines = "\n".join(json.dumps({"iterations": 1, "data": data}) for _ in range(3))
    headers = {"Content-Type": codecs.NDJSON}
    reply = shared.http.post("/v1/jobs", content=lines, headers=headers)
    assert reply.headers["content-type"] == codecs.NDJSON
    replies = [json.loads(line) for line in reply.text.splitlines()]
    assert [one["value"] for one in replies] == [value_of(b"line", 1)] * 3


def test_a_digest_folded_by_the_client(shared: Running) -> None:
    """64 bytes stand for any amount of data."""
    digest = hashlib.sha512(b"far away").digest()
    (reply,) = _send(shared, [BatchItem(iterations=1, digest=digest)])
    assert reply.value == value_of(b"far away", 1)


@pytest.mark.parametrize(
    "bad",
    [
        BatchItem(iterations=0, data=memoryview(b"x")),
        BatchItem(iterations=10**10 + 1, data=memoryview(b"x")),
        BatchItem(iterations=1),
        BatchItem(iterations=1, data=memoryview(b"x"), digest=bytes(64)),
        BatchItem(iterations=1, digest=bytes(63)),
        BatchItem(iterations=1, data=memoryview(b"x"), priority=101),
        BatchItem(iterations=1, data=memoryview(b"x"), id="nonsense"),
        BatchItem(iterations=1, data=memoryview(b"x"), workload="nonsense"),
        BatchItem(iterations=1, data=memoryview(bytes(1024 * 1024 + 1))),
    ],
)
def test_a_bad_item_harms_only_itself(shared: Running, bad: BatchItem) -> None:
    """Its reply has the problem and its kind; the items around it are taken."""
    before = shared.stored()
    good = [
        BatchItem(iterations=1, data=memoryview(b"a")),
        BatchItem(iterations=1, data=memoryview(b"b")),
    ]
    first, refused, last = _send(shared, [good[0], bad, good[1]])
    assert (first.problem, last.problem) == (None, None)
    assert first.value == value_of(b"a", 1)
    assert last.value == value_of(b"b", 1)
    assert refused.status == "refused"
    assert refused.problem
    assert refused.slug in {"invalid-input", "body-too-large"}
    assert shared.stored() == before + 2


def test_each_job_gets_the_state_of_its_own_data(shared: Running) -> None:
    """All data is folded together; digests and bad items in between shift nothing."""
    digest = hashlib.sha512(b"2").digest()
    items = [
        BatchItem(iterations=1, data=memoryview(b"0")),
        BatchItem(iterations=0, data=memoryview(b"1")),
        BatchItem(iterations=1, digest=digest),
        BatchItem(iterations=1, data=memoryview(b"")),
        BatchItem(iterations=1, data=memoryview(b"4" * 1000)),
    ]
    wanted = [value_of(b"0", 1), None, digest.hex(), value_of(b"", 1), value_of(b"4" * 1000, 1)]
    assert [reply.value for reply in _send(shared, items)] == wanted


def test_a_taken_id_is_refused_in_its_place(shared: Running) -> None:
    """A conflict is an item's own affair, and a repeat none at all."""
    taken = str(uuid.uuid4())
    item = BatchItem(id=taken, iterations=9, data=memoryview(b"mine"))
    _send(shared, [item])
    again, conflict = _send(
        shared, [item, BatchItem(id=taken, iterations=8, data=memoryview(b"mine"))]
    )
    assert (again.problem, again.id) == (None, taken)
    assert (conflict.status, conflict.slug) == ("refused", "conflict")


@pytest.mark.parametrize(
    "items",
    [
        [],
        [BatchItem(iterations=1, data=memoryview(b"x"))] * 1001,
        [{"iterations": 1.0, "data": b"x"}],
        [{"iterations": True, "data": b"x"}],
        [{"iterations": "1", "data": b"x"}],
        [{"data": b"x"}],
    ],
)
def test_a_batch_that_makes_no_sense_is_refused_whole(shared: Running, items: list[Any]) -> None:
    """Empty, too many, or of the wrong types: 422, nothing stored."""
    before = shared.stored()
    _send(shared, items, status=422)
    assert shared.stored() == before


@pytest.mark.parametrize("label", ["text/plain", "", "application/json"])
def test_a_batch_says_what_it_is(shared: Running, label: str) -> None:
    """An unknown form is refused, not guessed."""
    reply = shared.http.post("/v1/jobs", content=b"{}", headers={"Content-Type": label})
    assert reply.status_code == 422


def test_all_batches_together_are_bounded(start: Start) -> None:
    """Over the bound on bytes in memory a batch is refused with a time to retry."""
    running = start(max_uncommitted_batch_bytes=1000)
    items = [BatchItem(iterations=1, data=memoryview(bytes(2000)))]
    headers = {"Content-Type": codecs.MSGPACK}
    body = msgspec.msgpack.encode(items)
    reply = running.http.post("/v1/jobs", content=body, headers=headers)
    assert reply.status_code == 503
    assert int(reply.headers["retry-after"]) >= 1
    _send(running, [BatchItem(iterations=1, data=memoryview(bytes(100)))])
