"""The two servers side by side: the endpoint over SQLite, and the least that could answer."""

from __future__ import annotations

import asyncio
import hashlib
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import uvicorn
import uvloop

from workmill.endpoint import EndpointSettings, serve
from workmill.store.sqlite import SqliteStore

HEADERS = [(b"content-type", b"application/json"), (b"content-length", b"128")]


async def bare(
    _scope: Any,
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Hash the body, answer with the digest, keep nothing."""
    digest = hashlib.sha512()
    more = True
    while more:
        message = await receive()
        digest.update(message["body"])
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
    await send({"type": "http.response.body", "body": digest.hexdigest().encode()})


def serve_bare(port: int) -> None:
    """The bare handler under the endpoint's own server settings."""
    config = uvicorn.Config(
        bare,
        http="httptools",
        ws="none",
        lifespan="off",
        access_log=False,
        log_config=None,
        server_header=False,
        proxy_headers=False,
    )
    listener = socket.create_server(("127.0.0.1", port), backlog=2048)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(uvicorn.Server(config).serve(sockets=[listener]))


def main() -> None:
    """`bare PORT`, or `workmill PORT DIRECTORY`."""
    kind, port, *directory = sys.argv[1:]
    if kind == "bare":
        serve_bare(int(port))
    else:
        serve(lambda: SqliteStore(Path(directory[0])), EndpointSettings(port=int(port)))


if __name__ == "__main__":
    main()
