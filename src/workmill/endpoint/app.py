"""The ASGI callable: find the call, check the key, let its handler answer, send.

This is the one place where errors become answers and answers become bytes. There is no
framework below: one dictionary look-up finds the handler, so that a submit pays for its
hash and its fsync and little else (figures in `docs/performance.md`).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Sequence
from time import perf_counter
from typing import Final

from workmill.domain.errors import (
    CrossSite,
    MethodNotAllowed,
    NotAuthorized,
    NotFound,
    WorkmillError,
)
from workmill.endpoint.hosts import is_own_name
from workmill.endpoint.http import ClientGone, Receive, Reply, Request, Scope, Send
from workmill.endpoint.problems import problem_reply
from workmill.endpoint.routes import Operation
from workmill.endpoint.service import Service
from workmill.telemetry import emit

LINGER_SECONDS: Final = 2.0
_ARGUMENT: Final = "{id}"
_HARMLESS: Final = frozenset({"GET", "HEAD"})


class App:
    """One endpoint's calls as an ASGI application."""

    def __init__(self, service: Service, operations: Sequence[Operation]) -> None:
        self._service = service
        self._bearer = None if service.settings.key is None else b"Bearer " + service.settings.key
        self._paths: dict[str, dict[str, Operation]] = {}
        self._prefixes: dict[str, dict[str, Operation]] = {}
        for operation in operations:
            table, path = self._paths, operation.path
            if path.endswith(_ARGUMENT):
                table, path = self._prefixes, path.removesuffix(_ARGUMENT)
            table.setdefault(path, {})[operation.method] = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = perf_counter()
        method: str = scope["method"]
        route = "other"
        request = Request(scope, receive, "")
        try:
            operation = self._find(method, scope["path"], request)
            route = operation.path
            if self._bearer is None:
                _check_origin(method, request)
            elif not operation.open:
                self._check_key(request)
            reply = await operation.handler(self._service, request)
        except ClientGone:
            return
        except WorkmillError as error:
            reply = problem_reply(error)
        except Exception as error:  # noqa: BLE001 - the last wall: nobody sees a traceback
            emit("endpoint.call_failed", level="error", route=route, error=repr(error)[:500])
            reply = problem_reply(WorkmillError("This call failed inside the service."))
        await self._send(request, reply, send)
        self._service.metrics.request(method, route, reply.status, perf_counter() - started)

    def _find(self, method: str, path: str, request: Request) -> Operation:
        methods = self._paths.get(path)
        if methods is None:
            prefix, _, request.argument = path.rpartition("/")
            methods = self._prefixes.get(prefix + "/")
        if methods is None:
            raise NotFound("There is nothing under this path. See /docs for what there is.")
        operation = methods.get("GET" if method == "HEAD" else method)
        if operation is None or (method == "HEAD" and not operation.head):
            raise MethodNotAllowed(
                f"{method[:20]} is not taken here. Nothing was changed.", allowed=tuple(methods)
            )
        return operation

    def _check_key(self, request: Request) -> None:
        given = request.header(b"authorization") or b""
        if self._bearer is None or not hmac.compare_digest(given, self._bearer):
            raise NotAuthorized(
                "This service wants its key. Nothing was changed. Send it as "
                "`Authorization: Bearer KEY`."
            )

    async def _send(self, request: Request, reply: Reply, send: Send) -> None:
        lingers = reply.status >= 400 and request.has_unread_body()
        if lingers or self._service.leaving:
            reply.headers.append((b"connection", b"close"))
        await send(
            {"type": "http.response.start", "status": reply.status, "headers": reply.headers}
        )
        if not isinstance(reply.body, bytes):
            await _send_stream(request, reply.body, send)
            return
        await send({"type": "http.response.body", "body": reply.body, "more_body": lingers})
        if lingers:
            await _linger(request)
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _check_origin(method: str, request: Request) -> None:
    """Without a key, a page of any site could have its reader's browser pull or restore here.

    A browser names the page's origin with whatever may change something; nobody else does. The
    page is ours when it came from where the request went, and that place has a name of this
    machine: any other site can have its own name lead here (DNS rebinding).
    """
    if method in _HARMLESS:
        return
    origin = request.header(b"origin")
    if origin is None:
        return
    host = request.header(b"host") or b""
    if origin.partition(b"://")[2] != host or not is_own_name(host.decode("latin-1")):
        raise CrossSite(
            "A page of another site sent this. Nothing was changed. Open the page under this "
            "machine's address or name, or set a key."
        )


async def _send_stream(request: Request, chunks: AsyncIterator[bytes], send: Send) -> None:
    """Pump the stream until it ends or the reader hangs up."""
    pump = asyncio.ensure_future(_pump(chunks, send))
    gone = asyncio.ensure_future(request.disconnected())
    try:
        await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        pump.cancel()
        await asyncio.gather(pump, gone, return_exceptions=True)


async def _pump(chunks: AsyncIterator[bytes], send: Send) -> None:
    async for chunk in chunks:
        await send({"type": "http.response.body", "body": chunk, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _linger(request: Request) -> None:
    """Take in a refused body for a moment before the connection is closed.

    Closing with bytes unread makes the kernel send a reset, which can destroy the answer
    before the caller has read it (RFC 9112, section 9.6). A caller that waits for
    `100 Continue` sends no body, so there is nothing to wait for.
    """
    if request.header(b"expect") is not None:
        return
    try:
        async with asyncio.timeout(LINGER_SECONDS):
            while not request.body_read:
                await request.next_chunk()
    except (TimeoutError, ClientGone):
        return
