"""Whoever stands in for an endpoint answers everybody, and takes nobody from the next endpoint."""

from __future__ import annotations

import asyncio
import errno
import json
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.http.endpoint.raw_lines import Response, responses, talk

from workmill import AsyncClient
from workmill.domain.errors import Unavailable
from workmill.endpoint import stand_in as stand_in_module
from workmill.endpoint.listener import listen, url_of
from workmill.endpoint.stand_in import MAX_CONNECTIONS, StandIn
from workmill.wire.messages import PROBLEM_PREFIX

DETAIL = "It ended 3 times."
GET = b"GET /v1/stats HTTP/1.1\r\nHost: x\r\n\r\n"


def error() -> Unavailable:
    return Unavailable(DETAIL, retry_after_seconds=2)


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with listen("127.0.0.1", 0) as there:
        yield there


@contextmanager
def standing_in(listener: socket.socket) -> Iterator[StandIn]:
    one = StandIn(listener.fileno())
    with one.answering(error):
        yield one
    one.close()


def port_of(listener: socket.socket) -> int:
    port: int = listener.getsockname()[1]
    return port


async def said(listener: socket.socket, *segments: bytes) -> list[Response]:
    return responses(await asyncio.to_thread(talk, port_of(listener), segments))


def check(found: list[Response]) -> None:
    (one,) = found
    assert one.status == 503
    assert one.headers["content-type"] == "application/problem+json"
    assert one.headers["retry-after"] == "2"
    assert one.headers["connection"] == "close"
    assert json.loads(one.body) == {
        "type": PROBLEM_PREFIX + "unavailable",
        "title": Unavailable.title,
        "status": 503,
        "detail": DETAIL,
        "retry_after_seconds": 2,
    }


@pytest.mark.parametrize(
    "request_line", ["GET /healthz", "GET /readyz", "OPTIONS *", "DELETE /v1/jobs/x", "POST /none"]
)
async def test_every_call_is_told_why_and_until_when(
    listener: socket.socket, request_line: str
) -> None:
    """Health and readiness too: nobody is well here. No second request is taken."""
    with standing_in(listener):
        asked = f"{request_line} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
        check(await said(listener, asked))
        check(await said(listener, asked + GET))


async def test_a_head_is_answered_without_a_body(listener: socket.socket) -> None:
    """As every server does."""
    with standing_in(listener):
        raw = await asyncio.to_thread(
            talk, port_of(listener), [b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n\r\n"]
        )
    head, _, body = raw.partition(b"\r\n\r\n")
    assert (head.split()[1], body) == (b"503", b"")


@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b"Content-Length: 4194304", b"x" * 4194304),
        (b"Transfer-Encoding: chunked", b"400000\r\n" + b"x" * 4194304 + b"\r\n0\r\n\r\n"),
        (b"Content-Length: 4194304\r\nExpect: 100-continue", b"x" * 4194304),
    ],
)
async def test_who_still_sends_a_body_gets_the_answer(
    listener: socket.socket, head: bytes, body: bytes
) -> None:
    """And not a reset, be it that all of the body is sent before anything is read."""

    def send_all() -> bytes:
        with socket.create_connection(("127.0.0.1", port_of(listener)), timeout=100) as line:
            line.sendall(b"PUT /enqueue HTTP/1.1\r\nHost: x\r\n" + head + b"\r\n\r\n")
            line.sendall(body)
            return b"".join(iter(lambda: line.recv(65536), b""))

    with standing_in(listener):
        check(responses(await asyncio.to_thread(send_all)))


async def test_who_has_waited_is_answered(listener: socket.socket) -> None:
    """Also one who connected when nobody was there, and has ended his sending."""
    with socket.create_connection(("127.0.0.1", port_of(listener)), timeout=100) as line:
        line.sendall(GET)
        line.shutdown(socket.SHUT_WR)
        with standing_in(listener):
            reader, writer = await asyncio.open_connection(sock=line.dup())
            check(responses(await reader.read()))
            writer.close()
            await writer.wait_closed()


async def test_nobody_is_taken_from_the_endpoint_that_starts(listener: socket.socket) -> None:
    """Once it has ended, connections wait in the queue again, on a socket that still listens."""
    with standing_in(listener):
        check(await said(listener, GET))
    with socket.create_connection(("127.0.0.1", port_of(listener)), timeout=100) as line:
        line.sendall(GET)
        await asyncio.sleep(0)
        endpoint = await asyncio.get_running_loop().sock_accept(listener)
        with endpoint[0] as taken:
            assert taken.getpeername() == line.getsockname()
    with standing_in(listener):
        check(await said(listener, GET))


async def test_who_was_taken_before_is_still_answered(listener: socket.socket) -> None:
    """A head that comes in two halves, of which the second comes when the next endpoint starts."""
    one = StandIn(listener.fileno())
    with one.answering(error):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
        writer.write(GET[:10])
        while not (one._open and not one._arriving):  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    writer.write(GET[10:])
    check(responses(await reader.read()))
    writer.close()
    await writer.wait_closed()
    one.close()


async def test_the_silent_keep_nobody_out(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When all places are taken the others wait in the queue, and the silent are let go soon."""
    monkeypatch.setattr(stand_in_module, "MAX_CONNECTIONS", 2)
    monkeypatch.setattr(stand_in_module, "SILENT_SECONDS", 0.05)
    most = 0
    with standing_in(listener) as one:
        take = one.take

        def counted(connection: Any) -> bool:
            nonlocal most
            most = max(most, len(one._open) + 1)
            return take(connection)

        monkeypatch.setattr(one, "take", counted)
        silent = [await asyncio.open_connection("127.0.0.1", port_of(listener)) for _ in range(5)]
        check(await said(listener, GET))
        for reader, writer in silent:
            assert await reader.read() == b""
            writer.close()
            await writer.wait_closed()
    assert most == 2


async def test_without_descriptors_it_waits_and_goes_on(
    listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It neither ends nor turns in circles; whoever waits is answered when there are some."""
    monkeypatch.setattr(stand_in_module, "ACCEPT_AGAIN_SECONDS", 0.01)
    accept, failures = socket.socket.accept, 0

    def failing(there: socket.socket) -> Any:
        nonlocal failures
        failures += 1
        if failures < 4:
            raise OSError(errno.EMFILE, "Too many open files")
        return accept(there)

    monkeypatch.setattr(socket.socket, "accept", failing)
    with standing_in(listener):
        check(await said(listener, GET))


@pytest.mark.parametrize(
    ("limit", "most"), [(100, 25), (3, 1), (10**6, MAX_CONNECTIONS), (-1, MAX_CONNECTIONS)]
)
def test_callers_do_not_take_the_descriptors_that_a_start_needs(
    monkeypatch: pytest.MonkeyPatch, limit: int, most: int
) -> None:
    """Or whoever has the most connections could keep the endpoint from coming back."""
    monkeypatch.setattr(resource, "getrlimit", lambda _: (limit, limit))
    assert StandIn(0)._max == most


async def test_at_the_end_everybody_is_let_go(listener: socket.socket) -> None:
    """A stop waits for no caller."""
    one = StandIn(listener.fileno())
    with one.answering(error):
        reader, writer = await asyncio.open_connection("127.0.0.1", port_of(listener))
        writer.write(GET[:10])
        while not one._open:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.001)
    one.close()
    with pytest.raises(ConnectionResetError):
        await reader.read(1)
    writer.close()
    assert one._open == set()


async def test_the_sdk_takes_it_for_an_outage_that_passes(listener: socket.socket) -> None:
    """It asks again after the time that it was told, and raises the words when it gives up."""
    asked = 0

    def soon() -> Unavailable:
        nonlocal asked
        asked += 1
        return Unavailable(DETAIL, retry_after_seconds=0.01)

    one = StandIn(listener.fileno())
    with one.answering(soon):
        async with AsyncClient(url_of(listener), timeout_seconds=1) as client:
            with pytest.raises(Unavailable, match=DETAIL):
                await client.submit(b"data" * 100_000, 10)
    one.close()
    assert asked > 1
