"""Connections that give way or end while an answer to them is still under way."""

from __future__ import annotations

import asyncio
from typing import cast

import pytest
from uvicorn.server import ServerState

from workmill.endpoint import connection_limits, connections
from workmill.endpoint.connection_limits import HEALTH_CONNECTIONS, Connections
from workmill.endpoint.connections import Connection
from workmill.endpoint.exchange import Exchange


class Transport:
    """Of a caller who takes nothing of what waits for him."""

    def __init__(self) -> None:
        self.closing = self.reading_paused = False
        self.unsent = 1
        self.written = b""
        self.aborted = asyncio.Event()

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def get_extra_info(self, _name: str) -> None:
        return None

    def can_write_eof(self) -> bool:
        return False

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading_paused = True

    def resume_reading(self) -> None:
        self.reading_paused = False

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted.set()


async def _answer(exchange: Exchange) -> None:
    exchange.respond(204, [], b"")


def _opened(limits: Connections) -> tuple[Connection, Transport]:
    connection, transport = Connection(limits, asyncio.get_running_loop()), Transport()
    connection.connection_made(cast("asyncio.Transport", transport))
    return connection, transport


async def test_one_whose_answer_is_under_way_gives_way_once() -> None:
    """It closes when that has arrived; whoever comes meanwhile needs the place of another."""
    limits = Connections(_answer, 2, ServerState())
    watched, slow = _opened(limits)
    watched.watch()
    _, second = _opened(limits)
    second.unsent = 0
    _opened(limits)
    assert (slow.closing, second.closing) == (False, False)
    _opened(limits)
    assert (slow.closing, second.closing) == (False, True)
    watched.unwatch()
    assert slow.closing


async def test_who_ends_his_sending_and_takes_nothing_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Closing waits for what was written to be taken, and not for ever."""
    monkeypatch.setattr(connections, "STALLED_SECONDS", 0.0)
    connection, transport = _opened(Connections(_answer, 2, ServerState()))
    assert connection.eof_received(), "the connection closes itself"
    assert transport.closing
    async with asyncio.timeout(20):
        await transport.aborted.wait()


ASKED = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"


async def _turns() -> None:
    """Let what can run do so."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_who_takes_no_answer_is_given_no_other() -> None:
    """However many requests he sends ahead, and behind: his answers would fill our memory."""
    connection, transport = _opened(Connections(_answer, 2, ServerState()))
    connection.pause_writing()
    connection.data_received(ASKED * 8)
    await _turns()
    assert transport.written.count(b"204") == 1
    assert transport.reading_paused
    connection.resume_writing()
    await _turns()
    assert transport.written.count(b"204") == 8
    assert not transport.reading_paused


async def test_who_does_not_read_makes_room_by_being_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """His connection would not end by being closed. While he may still read, nobody takes it."""
    limits = Connections(_answer, 1, ServerState())
    _, unread = _opened(limits)
    newcomer, _ = _opened(limits)
    assert newcomer.spare
    assert (unread.closing, unread.aborted.is_set()) == (False, False)
    monkeypatch.setattr(connection_limits, "SLOW_SECONDS", 0.0)
    newcomer, _ = _opened(limits)
    assert not newcomer.spare
    assert unread.aborted.is_set()


async def test_an_answered_one_gives_way_before_one_that_has_not_asked() -> None:
    """Among those over the bound: the other may be about to ask after our health."""
    limits = Connections(_answer, 0, ServerState())
    fresh, waits = _opened(limits)
    refused, answered = _opened(limits)
    waits.unsent = answered.unsent = 0
    refused.data_received(ASKED)
    assert answered.written.startswith(b"HTTP/1.1 503 ")
    assert not answered.closing
    for _ in range(connection_limits.HEALTH_CONNECTIONS - 1):
        assert _opened(limits)[0].spare
    assert fresh.spare
    assert (waits.closing, answered.closing) == (False, True)


async def test_beyond_all_those_for_health_the_idle_one_goes_and_then_nobody_comes() -> None:
    """A crowd that asks for nothing cannot take every descriptor over the bound either."""
    limits = Connections(_answer, 1, ServerState())
    busy, _ = _opened(limits)
    limits.works(busy)
    spares = [_opened(limits) for _ in range(HEALTH_CONNECTIONS)]
    assert all(one.spare for one, _ in spares)
    for _, transport in spares:
        transport.unsent = 0
    assert not any(transport.closing for _, transport in spares)
    _, beyond = _opened(limits)
    beyond.unsent = 0
    assert [transport.closing for _, transport in spares[:2]] == [True, False]
    for spare, _ in spares:
        limits.works(spare)
    late, _ = _opened(limits)
    assert late.spare
    limits.works(late)
    _, refused = _opened(limits)
    assert refused.aborted.is_set()


async def test_what_is_idle_for_long_goes_and_what_has_begun_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A head under way has a time of its own, after which its sender is told so."""
    limits = Connections(_answer, 3, ServerState())
    _, silent = _opened(limits)
    begun, slow = _opened(limits)
    begun.data_received(b"GET /healthz HT")
    limits._sweep()
    assert (silent.closing, slow.closing) == (False, False)
    monkeypatch.setattr(connection_limits, "KEEP_ALIVE_SECONDS", -1.0)
    limits._sweep()
    assert (silent.closing, slow.closing) == (True, False)
