"""The transports against failures that a real endpoint cannot be made to show at will."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from tests.answering import answering

from workmill.client import AsyncClient, AsyncHandle, Client, Handle
from workmill.client.async_transport import AsyncTransport
from workmill.client.steps import Request, Steps
from workmill.client.sync_transport import Transport
from workmill.domain.errors import EndpointUnreachable, WorkmillError
from workmill.wire import codecs

Make = Callable[..., AsyncTransport]
URLS = ["http://one", "http://two", "http://three"]
LOOK = Request("GET", "/healthz")


class Hosts:
    """A network of hosts that fail as told; remembers who was asked."""

    def __init__(self, **failures: Exception | int) -> None:
        self.failures = failures
        self.asked: list[str] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request.url.host)
        failure = self.failures.get(request.url.host, 200)
        if isinstance(failure, Exception):
            raise failure
        return httpx.Response(failure, content=request.url.host)


async def test_the_next_endpoint_is_asked_when_one_takes_no_connection(
    make_transport: Make,
) -> None:
    """A dead endpoint costs one attempt to connect, once: after it the living one comes first."""
    hosts = Hosts(one=httpx.ConnectError("refused"), two=httpx.ConnectTimeout("silent"))
    async with make_transport(URLS, hosts) as transport:
        assert (await transport.send(LOOK)).content == b"three"
        assert (await transport.send(LOOK)).content == b"three"
    assert hosts.asked == ["one", "two", "three", "three"]


async def test_when_none_takes_a_connection_the_error_says_what_to_do(make_transport: Make) -> None:
    """Every address was tried once; the message names the cause."""
    hosts = Hosts(**dict.fromkeys(["one", "two", "three"], httpx.ConnectError("refused")))
    async with make_transport(URLS, hosts) as transport:
        with pytest.raises(EndpointUnreachable, match=r"refused.*Check the URL"):
            await transport.send(LOOK)
    assert hosts.asked == ["one", "two", "three"]


@pytest.mark.parametrize(
    "failure",
    [
        httpx.ReadError("reset"),
        httpx.ReadTimeout("silent"),
        httpx.WriteError("broken pipe"),
        httpx.RemoteProtocolError("cut off"),
        httpx.DecodingError("bad gzip"),
        httpx.PoolTimeout("no connection free"),
    ],
)
async def test_a_request_that_may_have_arrived_is_not_repeated_here(
    make_transport: Make, failure: Exception
) -> None:
    """One attempt stays one: the policy of retries decides, and then another endpoint is first."""
    hosts = Hosts(one=failure)
    async with make_transport(URLS, hosts) as transport:
        with pytest.raises(EndpointUnreachable, match=str(failure)):
            await transport.send(LOOK)
        assert hosts.asked == ["one"]
        assert (await transport.send(LOOK)).content == b"two"


@pytest.mark.parametrize("status", [502, 503, 504])
async def test_an_endpoint_that_cannot_serve_is_left_for_the_next(
    make_transport: Make, status: int
) -> None:
    """The refusal itself is a reply; the next request goes elsewhere."""
    async with make_transport(URLS, Hosts(one=status)) as transport:
        assert (await transport.send(LOOK)).status == status
        assert (await transport.send(LOOK)).content == b"two"


async def test_a_librarys_own_error_is_told_in_our_words(make_transport: Make) -> None:
    """It is not the endpoint's fault, so it is not tried again; where it came from can be seen."""
    async with make_transport(URLS, Hosts(one=ValueError("a bug"))) as transport:
        with pytest.raises(WorkmillError, match="a bug") as raised:
            await transport.send(LOOK)
    assert type(raised.value) is WorkmillError
    assert isinstance(raised.value.__cause__, ValueError)


async def test_an_operation_is_carried_through_failures(make_transport: Make) -> None:
    """Steps are sent each reply, and thrown each failure, until they return."""

    def steps() -> Steps[bytes]:
        with pytest.raises(EndpointUnreachable):
            yield LOOK
        return (yield LOOK).content

    async with make_transport(URLS, Hosts(one=httpx.ReadError("reset"))) as transport:
        assert await transport.run(steps()) == b"two"


async def test_a_request_is_told_to_the_endpoint_whole(make_transport: Make) -> None:
    """Method, path, query, body, type and time limits arrive as they were given."""
    seen: list[httpx.Request] = []

    def network(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(204)

    async with make_transport("http://one/base/", network) as transport:
        await transport.send(Request("PUT", "/x", {"a": 1, "b": "ä &"}, b"\0body", "a/b", 0.0, 7.0))
        await transport.send(Request("GET", "/y"))
    first, second = seen
    assert (first.method, first.content) == ("PUT", b"\0body")
    assert str(first.url) == "http://one/base/x?a=1&b=%C3%A4+%26"
    assert first.headers["content-type"] == "a/b"
    assert first.extensions["timeout"]["read"] == 7.0
    assert first.headers["accept-encoding"] == "identity"
    assert "content-type" not in second.headers
    assert "authorization" not in second.headers
    assert second.url.query == b""


async def test_a_file_is_streamed_up_with_its_length(make_transport: Make, tmp_path: Path) -> None:
    """The endpoint learns the length first, so that it can refuse early, and gets every byte."""
    file = tmp_path / "large"
    content = bytes(range(256)) * 4096
    file.write_bytes(content)

    def network(request: httpx.Request) -> httpx.Response:
        assert "transfer-encoding" not in request.headers
        return httpx.Response(200, content=request.headers["content-length"] + str(request.content))

    async with make_transport("http://one", network) as transport:
        reply = await transport.send(Request("PUT", "/x", content=file))
    assert reply.content == f"{len(content)}{content!r}".encode()


async def test_a_file_is_streamed_down_whole(make_transport: Make, tmp_path: Path) -> None:
    """A good reply becomes the file, and nothing else is left beside it."""
    target = tmp_path / "copy"
    content = bytes(range(256)) * 4096
    copy = httpx.Response(200, content=content, headers={"content-type": codecs.OCTETS})
    async with make_transport("http://one", lambda _: copy) as it:
        assert await it.send(Request("GET", "/x", into=target)) is not None
    assert target.read_bytes() == content
    assert _names(tmp_path) == ["copy"]


async def test_a_refusal_never_becomes_the_file(make_transport: Make, tmp_path: Path) -> None:
    """The old file stays, and the refusal can be read."""
    target = tmp_path / "copy"
    target.write_bytes(b"old")
    refusal = httpx.Response(401, content=b"no key")
    async with make_transport("http://one", lambda _: refusal) as transport:
        reply = await transport.send(Request("GET", "/x", into=target))
    assert (reply.status, reply.content, target.read_bytes()) == (401, b"no key", b"old")


async def test_a_download_that_breaks_off_leaves_the_old_file(
    make_transport: Make, tmp_path: Path
) -> None:
    """Half a backup never carries the name of a whole one."""
    target = tmp_path / "copy"
    target.write_bytes(b"old")

    async with (
        answering(_answer_half) as port,
        make_transport(f"http://127.0.0.1:{port}") as transport,
    ):
        with pytest.raises(EndpointUnreachable):
            await transport.send(Request("GET", "/x", into=target))
    assert target.read_bytes() == b"old"
    assert _names(tmp_path) == ["copy"]


def _names(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def _answer_half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + b"x" * 500)
    await writer.drain()


def test_the_twins_have_the_same_face() -> None:
    """What one client can do the other can, under the same names and with the same defaults."""
    for one, other in [(Client, AsyncClient), (Handle, AsyncHandle), (Transport, AsyncTransport)]:
        assert _face(one) == _face(other)


def _face(kind: type) -> dict[str, list[tuple[str, object]]]:
    return {
        name: [
            (given.name, given.default)
            for given in inspect.signature(method).parameters.values()
            if given.name != "stop"  # for threads; whoever awaits is cancelled
        ]
        for name, method in inspect.getmembers(kind, inspect.isfunction)
        if (not name.startswith("_") or name == "__init__") and name not in _ONE_SIDED
    }


_ONE_SIDED = {"ask", "check"}
"""Of the transports: roles block, and only what awaits needs a loop."""
