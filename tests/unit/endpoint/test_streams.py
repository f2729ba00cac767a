"""Answers that come piece by piece, when a piece does not come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any, cast

import pytest

from workmill.endpoint.app import App, send_stream
from workmill.endpoint.context import Service
from workmill.endpoint.exchange import ClientGone, Exchange, Line
from workmill.endpoint.handlers import Reply, Request
from workmill.endpoint.request_head import Head
from workmill.endpoint.routes import Operation

HEAD = Head("GET", "/v1/backup", b"", [], 0, True, False, False)


class Connection:
    """Takes whatever is written."""

    def __init__(self) -> None:
        self.sent = b""

    def write(self, data: bytes) -> None:
        self.sent += data

    async def drained(self) -> None: ...

    def server_headers(self) -> bytes:
        return b""

    def exchange_ended(self) -> None: ...


async def _failing(error: Exception) -> AsyncIterator[bytes]:
    yield b"some"
    raise error


async def _sent(error: Exception) -> bytes:
    line = Connection()
    exchange = Exchange(cast("Line", line), HEAD)
    exchange.begin(200, [])
    await send_stream(exchange, _failing(error), "/v1/backup")
    return line.sent


async def test_one_that_fails_has_no_end_and_is_told(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Its reader knows by the missing end; whoever runs the service, by the log."""
    assert not (await _sent(OSError(5, "Input/output error"))).endswith(b"0\r\n\r\n")
    event = json.loads(capsysbinary.readouterr().err)
    assert (event["event"], event["route"]) == ("endpoint.call_failed", "/v1/backup")
    assert "Input/output error" in event["error"]


async def test_a_reader_that_leaves_is_no_failure(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """It is the everyday end of an event stream."""
    await _sent(ClientGone())
    assert capsysbinary.readouterr().err == b""


async def test_a_handler_that_fails_shows_no_insides(
    capsysbinary: pytest.CaptureFixture[bytes],
) -> None:
    """Whatever a library raises: 500 with our words, the cause in the log, and one answer."""

    async def fails(_service: Service, _request: Request) -> Reply:
        raise LookupError("secret detail")

    counted: list[int] = []
    service: Any = SimpleNamespace(
        settings=SimpleNamespace(key=None),
        leaving=False,
        metrics=SimpleNamespace(request=lambda *said: counted.append(said[2])),
    )
    line = Connection()
    exchange = Exchange(cast("Line", line), HEAD)
    app = App(service, [Operation(method="GET", path="/v1/backup", group="", handler=fails)])
    await app(exchange)
    assert line.sent.startswith(b"HTTP/1.1 500 ")
    assert b"urn:workmill:problem:internal" in line.sent
    assert b"secret" not in line.sent
    assert counted == [500]
    event = json.loads(capsysbinary.readouterr().err)
    assert (event["event"], event["route"]) == ("endpoint.call_failed", "/v1/backup")
    assert "secret detail" in event["error"]
