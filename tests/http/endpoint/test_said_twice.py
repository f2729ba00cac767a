"""A JSON body that says one thing twice: decoders take the last, the first may have been meant."""

from __future__ import annotations

import msgspec
import pytest
from tests.http.endpoint.conftest import Running

PACKED = {"Content-Type": "application/msgpack"}
NDJSON = {"Content-Type": "application/x-ndjson"}


def _refuses(running: Running, path: str, body: str | bytes, **more: dict[str, str]) -> None:
    reply = running.http.post(path, content=body, **more)  # type: ignore[arg-type]
    assert reply.status_code == 422, reply.text
    assert "stands twice" in reply.json()["detail"]


def test_a_receipt_is_not_acknowledged_beyond_what_was_named(shared: Running) -> None:
    """With `ids` twice, once of some and once of all: results would count as delivered unread."""
    ids = [shared.submit(b"twice %d" % number) for number in range(3)]
    shared.work()
    pulled = shared.http.post("/v1/results/pull?top=3").json()
    body = f'{{"receipt":"{pulled["receipt"]}","ids":["{ids[0]}"],"ids":null}}'
    _refuses(shared, "/v1/results/ack", body)
    for job_id in ids:
        assert shared.http.get(f"/v1/jobs/{job_id}").json()["delivery"] == "under receipt"
    _refuses(shared, "/v1/results/ack", body.replace('"receipt"', '"receipt":"","rec\\u0065ipt"'))
    told = shared.http.post("/v1/results/ack", json={"receipt": pulled["receipt"]}).json()
    assert told == {"delivered": 3}


def test_no_job_is_cancelled_or_submitted(shared: Running) -> None:
    """Neither those of the first list nor those of the second; no line of the batch."""
    one, other = shared.submit(b"first list"), shared.submit(b"second list")
    _refuses(shared, "/v1/jobs/cancel", f'{{"ids":["{one}"],"ids":["{other}"]}}')
    for job_id in (one, other):
        assert shared.http.get(f"/v1/jobs/{job_id}").json()["status"] == "queued"
    before = shared.stored()
    lines = '{"iterations":3,"data":"AA=="}\n{"iterations":3,"iterations":3000,"data":"AA=="}'
    _refuses(shared, "/v1/jobs", lines, headers=NDJSON)
    assert shared.stored() == before


@pytest.mark.parametrize("head", [b"\x83", b"\xde\x00\x03", b"\xdf\x00\x00\x00\x03"])
def test_nor_in_messagepack(shared: Running, head: bytes) -> None:
    """Whichever way a map is begun, and whatever stands beside it. Unknown names may be there, and
    defaults that need not be said."""
    pack = msgspec.msgpack.encode
    three, data, more = (pack("iterations") + pack(3), pack("data") + pack(b"d"), pack("other"))
    sound = b"\x84" + three + data + more + pack({"a": 1}) + pack("priority") + pack(0)
    before = shared.stored()
    for second in (pack(3), pack(3000)):
        twice = head + three + data + pack("iterations") + second
        _refuses(shared, "/v1/jobs", b"\x92" + sound + twice, headers=PACKED)
    assert shared.stored() == before
    told = shared.http.post("/v1/jobs", content=b"\x91" + sound, headers=PACKED)
    assert told.status_code == 200, told.text


def test_an_item_has_a_bound_on_its_names(shared: Running) -> None:
    """To look for one that stands twice costs many times what it has in bytes."""
    many = {"data": b"d", "iterations": 3} | {f"other-{number}": 0 for number in range(300)}
    before = shared.stored()
    told = shared.http.post("/v1/jobs", content=msgspec.msgpack.encode([many]), headers=PACKED)
    assert told.status_code == 422, told.text
    assert shared.stored() == before


def test_nobody_leads_by_it(shared: Running) -> None:
    """Neither name is taken for the candidate."""
    _refuses(shared, "/v1/lead", '{"candidate":"a","lease_seconds":0,"candidate":"b"}')
    taken = {"candidate": "c", "lease_seconds": 0.001}
    assert shared.http.post("/v1/lead", json=taken).json()["holder"] == "c"
