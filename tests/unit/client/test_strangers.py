"""Answers that are good by their status and none of an endpoint's: they count as no answer."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from workmill.client.operations import Operations
from workmill.client.steps import Reply, Steps
from workmill.client.sync_transport import Transport
from workmill.client.worker_client import WorkClient
from workmill.domain.errors import EndpointUnreachable
from workmill.domain.job import Node
from workmill.wire import codecs
from workmill.wire.messages import BatchItem, JobList, JobView

if TYPE_CHECKING:
    from tests.unit.client.conftest import Counterpart

ID = "01936f3c-8d2a-7cc3-98c4-dc0c0c07398f"
VALUE = "ab" * 64
ITEM = BatchItem(iterations=1, id=ID, digest=b"d" * 64)
NODE = Node(incarnation="0", role="worker", host="here", pid=1, version="0")
ASKED: dict[str, Callable[[Operations], Steps[Any]]] = {
    "submit": lambda operations: operations.submit(b"", 1, ID, 0, "sha512"),
    "submit_batch": lambda operations: operations.submit_batch([ITEM]),
    "job": lambda operations: operations.job(ID),
    "result": lambda operations: operations.result(ID, None),
    "cancel": lambda operations: operations.cancel(ID),
    "cancel_batch": lambda operations: operations.cancel_batch([ID]),
    "page": lambda operations: operations.page(None, None),
    "pull": lambda operations: operations.pull(1, 1.0, 0.0),
    "acknowledge": lambda operations: operations.acknowledge("ab", None),
    "stats": lambda operations: operations.stats(),
    "nodes": lambda operations: operations.nodes(),
}
PAGES = {
    "a page": Reply(200, b"<html>please log in</html>"),
    "nothing": Reply(200),
    "an empty document": Reply(200, b"{}"),
    "a document of another shape": Reply(200, b'{"a":1}'),
    "another charset": Reply(200, '{"id":"é"}'.encode("utf-16")),
    "NaN": Reply(200, b"NaN"),
    "a huge number": Reply(200, b"1" * 5000),
    "no content": Reply(204),
    "a part": Reply(206, b"{}"),
    "reset": Reply(205),
    "created": Reply(201, b"{}"),
    "moved": Reply(301),
    "found": Reply(302),
    "see there": Reply(307),
    "for good": Reply(308),
}


@pytest.mark.parametrize("page", PAGES)
@pytest.mark.parametrize("asked", ASKED)
def test_it_is_asked_again_and_then_named(service: Counterpart, asked: str, page: str) -> None:
    """Whatever is asked: a captive portal passes, and what does not is told as what it is."""
    with pytest.raises(
        EndpointUnreachable, match=r"not an endpoint of Workmill \(HTTP status [23]0"
    ):
        service.carry(ASKED[asked](service.operations), lambda _: PAGES[page])
    assert len(service.asked) > 5


def test_another_endpoint_is_asked_first_then(service: Counterpart) -> None:
    """The repeat says whose answer was none."""
    page = Reply(200, b"hello", url="http://portal")
    with pytest.raises(EndpointUnreachable):
        service.carry(service.operations.stats(), lambda _: page)
    assert [one.not_first for one in service.asked[:3]] == ["", "http://portal", "http://portal"]


def test_a_worker_goes_to_another_endpoint() -> None:
    """Its calls are one attempt each: the next one asks elsewhere."""

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200 if request.url.host == "portal" else 204)

    network = httpx.MockTransport(answer)
    client = WorkClient(Transport(["http://portal", "http://mill"], through=network))
    with pytest.raises(EndpointUnreachable):
        client.beat(NODE)
    client.beat(NODE)


def seen(**fields: Any) -> JobView:
    usual: dict[str, Any] = {
        "id": ID,
        "status": "queued",
        "workload": "sha512",
        "iterations": 2,
        "done": 1,
        "priority": 0,
        "attempts": 0,
    }
    return JobView(**(usual | fields))


@pytest.mark.parametrize(
    "fields",
    [
        {"iterations": 0, "done": 0},
        {"iterations": -1},
        {"done": -1},
        {"done": 3},
        {"attempts": -1},
        {"iterations": 2**63 - 1, "done": -(2**63)},
        {"status": "done"},
        {"status": "queued", "value": VALUE},
        {"status": "done", "value": "zz"},
        {"id": ID.replace("0", "1")},
    ],
)
@pytest.mark.parametrize("asked", ["job", "result", "cancel"])
def test_a_job_that_cannot_be_is_no_answer(
    service: Counterpart, asked: str, fields: dict[str, Any]
) -> None:
    """Nor is another one than was asked for."""
    with pytest.raises(EndpointUnreachable, match="no endpoint of Workmill answers like that"):
        service.carry(ASKED[asked](service.operations), lambda _: _json(seen(**fields)))


@pytest.mark.parametrize(
    "page",
    [
        JobList(jobs=[seen(iterations=0, done=0)]),
        JobList(jobs=[], next_after=7),
        JobList(jobs=[], next_after=8),
    ],
)
def test_a_page_of_jobs_is_held_to_the_same(service: Counterpart, page: JobList) -> None:
    """And pages go back, so that a listing ends."""
    with pytest.raises(EndpointUnreachable):
        service.carry(service.operations.page(None, 7), lambda _: _json(page))


OCTETS = {"content-type": "application/octet-stream"}
NO_COPIES: dict[str, httpx.Response] = {
    "a page": httpx.Response(200, html="<b>hi</b>"),
    "a document": httpx.Response(200, json={}),
    "a part": httpx.Response(206, content=b"SQLite", headers=OCTETS),
    "nothing": httpx.Response(200, content=b"", headers=OCTETS),
    "no end but the connection's": httpx.Response(
        200, stream=httpx.ByteStream(b"SQLite"), headers=OCTETS
    ),
}


@pytest.mark.parametrize("reply", NO_COPIES)
def test_a_page_is_no_copy_of_a_store(tmp_path: Path, reply: str) -> None:
    """An older copy of that name is kept."""
    target = tmp_path / "copy"
    target.write_bytes(b"the copy of yesterday")
    network = httpx.MockTransport(lambda _: NO_COPIES[reply])
    with (
        Transport("http://mill", through=network) as transport,
        pytest.raises(EndpointUnreachable, match="not an endpoint of Workmill"),
    ):
        transport.run(Operations(0.0).backup(target))
    assert target.read_bytes() == b"the copy of yesterday"
    assert [one.name for one in tmp_path.iterdir()] == ["copy"]


def test_a_page_is_no_word_that_a_store_was_restored(tmp_path: Path) -> None:
    """Only an endpoint's own, which is none."""
    file = tmp_path / "copy"
    file.write_bytes(b"x")
    network = httpx.MockTransport(lambda _: httpx.Response(200, html="<b>hi</b>"))
    with (
        Transport("http://mill", through=network) as transport,
        pytest.raises(EndpointUnreachable, match="not an endpoint of Workmill"),
    ):
        transport.run(Operations(30.0).restore(file))


def _json(message: object) -> Reply:
    return Reply(200, codecs.to_json(message))
