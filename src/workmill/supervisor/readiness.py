"""Wait for a service to be ready: ask, and let the answer take its time.

The listening socket is there before the endpoint is, so one request waits in the kernel's
queue until the endpoint takes it. Only an answer other than 200 is asked for again.
"""

from __future__ import annotations

import asyncio
from typing import Final
from urllib.parse import urlsplit

from workmill.wire import paths

ASK_AGAIN_SECONDS: Final = 0.1


async def until_ready(url: str) -> None:
    """Return once the service at `url` says that it is ready. Waits for ever."""
    while not await answers(url, paths.READYZ):  # noqa: ASYNC110 - a service that is not ready sends no event
        await asyncio.sleep(ASK_AGAIN_SECONDS)


async def answers(url: str, path: str) -> bool:
    """Whether the service at `url` answers 200 at this path, however long that takes."""
    parts = urlsplit(url)
    request = f"GET {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nConnection: close\r\n\r\n"
    try:
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
    except OSError:
        return False
    try:
        writer.write(request.encode())
        return b" 200 " in await reader.readline()
    except OSError:
        return False
    finally:
        writer.close()
