"""The bare HTTP face before every peer: `PUT /enqueue?iterations=N` answers with the job's id."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

Enqueue = Callable[[bytes, int], Awaitable[str]]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


def face(enqueue: Enqueue) -> Callable[[dict[str, Any], Receive, Send], Awaitable[None]]:
    """An ASGI application that does nothing but read, enqueue and reply."""

    async def app(scope: dict[str, Any], receive: Receive, send: Send) -> None:
        chunks: list[bytes] = []
        more = True
        while more:
            message = await receive()
            chunks.append(message["body"])
            more = message["more_body"]
        iterations = int(scope["query_string"].partition(b"iterations=")[2])
        body = b'{"id":"%s"}' % (await enqueue(b"".join(chunks), iterations)).encode()
        headers = [(b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return app


if __name__ == "__main__":
    uvicorn.run(
        face(importlib.import_module(f"bench.peers.{sys.argv[1]}_peer").enqueue),
        port=int(sys.argv[2]),
        loop="uvloop",
        http="httptools",
        lifespan="off",
        access_log=False,
        log_level="warning",
    )
