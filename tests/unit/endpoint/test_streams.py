"""Answers that come piece by piece, when a piece does not come."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from typing import cast

import pytest

from workmill.endpoint.app import send_stream
from workmill.endpoint.exchange import ClientGone, Exchange, Line
from workmill.endpoint.request_head import Head

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
