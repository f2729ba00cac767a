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
        self.closing = False
        self.aborted = asyncio.Event()

    def is_closing(self) -> bool:
        return self.closing

    def get_write_buffer_size(self) -> int:
        return 1

    def close(self) -> None:
        self.closing = True

    def abort(self) -> None:
        self.aborted.set()


async def _answer(_exchange: Exchange) -> None:
    raise AssertionError("nobody asked")


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


async def test_beyond_all_those_for_health_the_idle_one_goes_and_then_nobody_comes() -> None:
    """A crowd that asks for nothing cannot take every descriptor over the bound either."""
    limits = Connections(_answer, 1, ServerState())
    busy, _ = _opened(limits)
    limits.works(busy)
    spares = [_opened(limits) for _ in range(HEALTH_CONNECTIONS)]
    assert all(one.spare for one, _ in spares)
    assert not any(transport.closing for _, transport in spares)
    _opened(limits)
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
