"""The end of a late answer that a proxy passes on waits until the proxy would have hung up."""

from __future__ import annotations

import asyncio
from typing import cast

from workmill.endpoint.exchange import Exchange, Line
from workmill.endpoint.request_head import Head

HEAD = Head("POST", "/pullCompleted", b"", [], 0, True, False, False)
FOR_EVER = 1e9


class Connection:
    """Takes whatever is written."""

    def __init__(self) -> None:
        self.pieces: list[bytes] = []

    def write(self, data: bytes) -> None:
        self.pieces.append(data)

    def server_headers(self) -> bytes:
        return b""

    def exchange_ended(self) -> None: ...


def _exchange(line: Connection) -> Exchange:
    exchange = Exchange(cast("Line", line), HEAD)
    exchange.body_complete = True
    return exchange


async def test_the_pieces_are_the_answer() -> None:
    """All but two bytes, one, and one; and a proxy is asked to pass each on as it comes."""
    whole, held = Connection(), Connection()
    _exchange(whole).respond(200, [(b"x-accel-buffering", b"no")], b"[1]")
    exchange = _exchange(held)
    await exchange.respond_but_last(200, [], b"[1]", 0.0)
    assert not exchange.ended
    exchange.respond_last(b"[1]")
    assert exchange.ended
    assert b"".join(held.pieces) == b"".join(whole.pieces)
    assert held.pieces[1:] == [b"1", b"]"]


async def test_who_hangs_up_ends_the_wait() -> None:
    """Nothing more is waited for then."""
    exchange = _exchange(Connection())
    answering = asyncio.ensure_future(exchange.respond_but_last(200, [], b"[1]", FOR_EVER))
    await asyncio.sleep(0)
    exchange.lose()
    await answering


async def test_who_had_ended_his_sending_is_not_waited_for() -> None:
    """He may read yet, and could say nothing by ending it again."""
    exchange = _exchange(Connection())
    exchange.end_sending()
    await exchange.respond_but_last(200, [], b"[1]", FOR_EVER)
