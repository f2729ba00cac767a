"""An endpoint over a store of two parts, one of which is killed and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import httpx
import msgspec
import pytest
from tests.http.endpoint.conftest import Running, finished
from tests.redis_servers import RedisServer, running_redis
from tests.system.processes import until
from tests.system.service_definition import value_of

from workmill import Client
from workmill.domain.job import Verdict
from workmill.endpoint import EndpointSettings
from workmill.store.sharded.open_shards import open_sharded
from workmill.wire import paths
from workmill.wire.messages import BatchItem, SubmitReply


@pytest.fixture
def servers(tmp_path: Path) -> Iterator[list[RedisServer]]:
    with ExitStack() as stack:
        yield [stack.enter_context(running_redis(tmp_path / str(n))) for n in range(2)]


@pytest.fixture
def running(servers: list[RedisServer], tmp_path: Path) -> Iterator[Running]:
    addresses = [server.address for server in servers]
    with Running(tmp_path, EndpointSettings(port=0), lambda _: open_sharded(addresses)) as endpoint:
        yield endpoint


def batch(running: Running, data: list[bytes]) -> list[SubmitReply]:
    items = [BatchItem(iterations=3, data=memoryview(one)) for one in data]
    reply = running.http.post(
        paths.JOBS,
        content=msgspec.msgpack.encode(items),
        headers={"content-type": "application/msgpack"},
    )
    assert reply.status_code == 200, reply.text
    return msgspec.msgpack.decode(reply.content, type=list[SubmitReply])


def unavailable(running: Running) -> list[str]:
    """What the figures say is away."""
    reply = running.http.get(paths.STATS)
    assert reply.status_code == 200, reply.text
    return list(reply.json()["stats"]["unavailable"])


def test_one_part_down_over_http(running: Running, servers: list[RedisServer]) -> None:
    """Batches are refused item by item, leases and results go on, health names the part, words
    about its jobs are asked for again, and everything is there when it is back."""
    data = [b"%d" % number for number in range(40)]
    taken = {reply.id for reply in batch(running, data)}
    leases = running.lease()
    assert {one.id for one in leases} == {_bytes(text) for text in taken}
    servers[1].kill()
    verdicts = running.complete(leases)
    assert set(verdicts) == {Verdict.APPLIED, Verdict.UNAVAILABLE}
    replies = batch(running, [b"more %d" % number for number in range(40)])
    assert {reply.slug for reply in replies} == {None, "store-unavailable"}
    ready = running.http.get("/readyz")
    assert ready.status_code == 200
    until(lambda: unavailable(running) == [f"redis://{servers[1].node}"])
    assert running.http.get("/readyz").json()["unavailable"] == [f"redis://{servers[1].node}"]
    assert "workmill_store_parts_away 1.0" in running.http.get("/metrics").text
    pulled = running.pull()
    assert len(pulled) == verdicts.count(Verdict.APPLIED)
    again = [
        one for one, verdict in zip(leases, verdicts, strict=True) if verdict != Verdict.APPLIED
    ]
    assert set(running.complete(again)) == {Verdict.UNAVAILABLE}
    shown = running.http.get(f"{paths.JOBS}/{again[0].id.hex()}")
    assert (shown.status_code, shown.json()["type"]) == (
        503,
        "urn:workmill:problem:store-unavailable",
    )
    servers[1].start()
    until(lambda: not unavailable(running))
    assert running.post(paths.WORK_COMPLETE, [finished(one) for one in again], list[Verdict]) == [
        Verdict.APPLIED
    ] * len(again)
    running.work()
    pulled += running.pull()
    values = {one["value"] for one in pulled}
    assert {value_of(one, 3) for one in data} <= values
    assert len({one["id"] for one in pulled}) == len(pulled)


@pytest.mark.parametrize("jobs", [1, 20])
def test_cancels_are_told_apart_while_a_part_is_away(
    running: Running, servers: list[RedisServer], jobs: int
) -> None:
    """Those that lie there are refused one by one, to be said again; the others are cancelled, one
    that was so before among them."""
    ids = [reply.id for reply in batch(running, [b"%d" % number for number in range(40)])]
    servers[1].kill()
    until(lambda: unavailable(running) == [f"redis://{servers[1].node}"])
    first = _cancelled(running, ids)
    assert set(first) == {"cancelled", "store-unavailable"}
    there = [one for one, told in zip(ids, first, strict=True) if told == "cancelled"]
    lost = [one for one, told in zip(ids, first, strict=True) if told != "cancelled"]
    some = there[:1] + lost[:jobs]
    assert _cancelled(running, some) == ["cancelled", *["store-unavailable"] * len(lost[:jobs])]
    servers[1].start()
    until(lambda: not unavailable(running))
    assert set(_cancelled(running, ids)) == {"cancelled"}


def _cancelled(running: Running, ids: list[str]) -> list[str]:
    reply = running.http.post(paths.CANCEL, json={"ids": ids})
    assert reply.status_code == 200, reply.text
    return [one.get("slug", "cancelled") for one in reply.json()]


def test_nobody_leads_while_the_first_part_is_away(
    running: Running, servers: list[RedisServer]
) -> None:
    """Two parts could name two leaders. Only that call is refused, and the term goes on later."""

    def lead() -> httpx.Response:
        return running.http.post(paths.LEAD, json={"candidate": "a", "lease_seconds": 60})

    first = lead().json()
    assert first["holder"] == "a"
    servers[0].kill()
    assert lead().status_code == 503
    assert None in {reply.slug for reply in batch(running, [b"%d" % n for n in range(40)])}
    servers[0].start()
    until(lambda: lead().status_code == 200)
    assert lead().json()["token"] == first["token"]


def test_a_client_waits_for_a_part_that_is_away(
    running: Running, servers: list[RedisServer]
) -> None:
    """What one part keeps out of a batch is sent again under the same ids, and all of it is taken
    once, without a word to the caller."""
    servers[1].kill()
    with Client(running.url) as client, ThreadPoolExecutor(1) as pool:
        items = [b"%d" % number for number in range(40)]
        submitting = pool.submit(lambda: list(client.submit_many(items, 3)))
        until(lambda: 0 < running.stored() < 40)
        assert not submitting.done()
        servers[1].start()
        handles = submitting.result()
    assert [handle.problem for handle in handles] == [None] * 40
    assert running.stored() == 40


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.replace("-", ""))
