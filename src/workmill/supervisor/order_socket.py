"""The supervisor's ear: controllers in other processes order its fleets about through a socket.

One line asks, one line answers (`wire.fleet_orders`). Nobody is waited for longer than an answer
takes, and no order does anything that the fleet itself would not admit: old tokens are refused
there.
"""

from __future__ import annotations

import asyncio
import os
import socket
import stat
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from workmill.controller.fleet import Fleet, Member
from workmill.domain.errors import InvalidInput
from workmill.domain.limits import MAX_WORKERS
from workmill.wire import codecs
from workmill.wire.fleet_orders import ANSWER_SECONDS, Muster, Order, Place

MAX_ORDER_BYTES: Final = 4096


@asynccontextmanager
async def taking_orders(path: Path, fleets: Mapping[str, Fleet]) -> AsyncIterator[None]:
    """Listen at `path`, for this user alone, as long as the context lasts. `fleets` by role."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, TimeoutError, ValueError):  # the last: a line that is too long
                async with asyncio.timeout(ANSWER_SECONDS):
                    answer = carry_out(await reader.readline(), fleets)
                    writer.write(codecs.to_json(answer) + b"\n")
                    await writer.drain()
        finally:
            writer.close()

    with door(path) as listener:
        async with await asyncio.start_unix_server(serve, sock=listener, limit=MAX_ORDER_BYTES):
            yield


@contextmanager
def door(path: Path) -> Iterator[socket.socket]:
    """A listening socket that only this user can open. One that a killed supervisor left goes. The
    mask of this process is left alone: children that start meanwhile would have it."""
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        os.fchmod(listener.fileno(), stat.S_IRUSR | stat.S_IWUSR)
        listener.bind(str(path))
        listener.listen()
        yield listener
    path.unlink(missing_ok=True)


def carry_out(line: bytes, fleets: Mapping[str, Fleet]) -> Muster:
    """Do what the line says; the fleet as it is then. What cannot be done is said in the answer."""
    try:
        order = codecs.from_json(line, Order)
    except InvalidInput as error:
        return Muster(refused=error.detail)
    fleet = fleets.get(order.role)
    if fleet is None:
        return Muster(refused=f"there is no fleet of {order.role!r} here")
    if not 0 <= order.count <= MAX_WORKERS:
        return Muster(refused=f"from 0 to {MAX_WORKERS} can be started at once")
    if order.act == "start":
        fleet.start(order.count, order.token)
    elif order.act != "list":
        for member in fleet.list(order.token):
            if member.name == order.name:
                fleet.stop(member, order.token, drain=order.act == "drain")
    return Muster(members=tuple(map(_place, fleet.list(order.token))))


def _place(member: Member) -> Place:
    return Place(
        name=member.name,
        host=member.host,
        pid=member.pid or 0,
        age_seconds=member.age_seconds,
        stopping=member.stopping,
    )
