"""A server of asyncio that leaves no connection behind, however its callers end.

What asyncio leaves open, whichever test runs when it is collected is blamed for. A server of
Python 3.11 that is closed between the acceptance of a connection and its first turn drops that
connection as it is. So here it accepts nothing more, then all are ended, and then it is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import TypeAlias

Handler: TypeAlias = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def answering(handler: Handler) -> AsyncIterator[int]:
    """Serve on a free port of loopback, which is given; at the end every connection is closed."""
    others = asyncio.all_tasks()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(EOFError, ConnectionError):  # the caller has gone
                await handler(reader, writer)
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for listener in server.sockets:
            asyncio.get_running_loop().remove_reader(listener.fileno())
        while left := asyncio.all_tasks() - others - {asyncio.current_task()}:
            await asyncio.wait(left)
        server.close()
