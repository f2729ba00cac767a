"""A lean HTTP load: keep-alive connections, each sending its next request at the last reply.

It does what wrk does, and keeps every reply's body, which wrk does not. On one core it sends
several times what any system under test here takes, so it is not what is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import cast

import uvloop

CONNECTIONS = 64


def put_request(path: str, body: bytes) -> bytes:
    """A whole PUT on the wire (RFC 9112)."""
    head = f"PUT {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


def send_all(port: int, requests: Sequence[bytes], connections: int = CONNECTIONS) -> list[bytes]:
    """Send every request once; the bodies of the replies, in the order of the requests.

    Raises RuntimeError at the first reply that is not 200.
    """
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_send_all(port, requests, connections))


async def _send_all(port: int, requests: Sequence[bytes], connections: int) -> list[bytes]:
    loop = asyncio.get_running_loop()
    run = _Run(requests, loop.create_future())
    lanes = min(connections, len(requests))
    opened = [
        await loop.create_connection(lambda: _Lane(run), "127.0.0.1", port) for _ in range(lanes)
    ]
    for _, lane in opened:
        lane.send_next()
    try:
        await run.finished
    finally:
        for transport, _ in opened:
            transport.close()
    return run.replies


class _Run:
    """What the lanes share: the requests still to send and the replies so far."""

    def __init__(self, requests: Sequence[bytes], finished: asyncio.Future[None]) -> None:
        self.left = iter(enumerate(requests))
        self.replies = [b""] * len(requests)
        self.open = len(requests)
        self.finished = finished

    def take(self, index: int, body: bytes) -> None:
        self.replies[index] = body
        self.open -= 1
        if self.open == 0 and not self.finished.done():
            self.finished.set_result(None)

    def fail(self, why: str) -> None:
        if not self.finished.done():
            self.finished.set_exception(RuntimeError(why))


class _Lane(asyncio.Protocol):
    """One connection with at most one request on its way."""

    def __init__(self, run: _Run) -> None:
        self._run = run
        self._index = -1
        self._buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._index >= 0:
            self._run.fail(f"the connection ended before the reply: {exc}")

    def send_next(self) -> None:
        self._index, request = next(self._run.left, (-1, b""))
        if request:
            self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, blank, body = self._buffer.partition(b"\r\n\r\n")
        if not blank or len(body) < _content_length(head):
            return
        if not head.startswith(b"HTTP/1.1 200"):
            self._run.fail(f"{head.decode()}\n{body[:500]!r}")
            return
        self._buffer = b""
        self._run.take(self._index, body)
        self.send_next()


def _content_length(head: bytes) -> int:
    _, found, rest = head.lower().partition(b"content-length:")
    if not found:
        raise RuntimeError(f"a reply without Content-Length: {head!r}")
    return int(rest.partition(b"\r\n")[0])
