"""Answer an exchange: find the call, check the key, let its handler answer, send.

This is the one place where errors become answers and answers become bytes. There is no
framework below: one dictionary look-up finds the handler, so that a submit pays for its
hash and its fsync and little else (figures in `docs/performance.md`).
"""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import AsyncIterator, Mapping, Sequence
from time import perf_counter
from typing import Final

from workmill.domain.errors import (
    CrossSite,
    MethodNotAllowed,
    NotAuthorized,
    NotFound,
    UnsupportedMethod,
    WorkmillError,
)
from workmill.endpoint.context import Service
from workmill.endpoint.exchange import Exchange
from workmill.endpoint.handlers import ClientGone, Reply, Request
from workmill.endpoint.own_names import is_own_name
from workmill.endpoint.problem_details import problem_reply
from workmill.endpoint.routes import Operation
from workmill.telemetry import emit
from workmill.telemetry.error_text import shortage

_ARGUMENT: Final = "{id}"
_OTHER: Final = "other"
"""What is counted together in the metrics."""
_OPTIONS: Final = "OPTIONS"
_HARMLESS: Final = frozenset({"GET", "HEAD", _OPTIONS})
_OF_HTTP: Final = frozenset({"PATCH", "TRACE", "QUERY"})
"""Known (RFC 9110, RFC 5789, OpenAPI 3.2), and taken by no path."""
WAITED_SECONDS: Final = 0.1
"""Who was answered sooner has hardly hung up meanwhile."""
_SERVER: Final = "*"
"""The target of OPTIONS for the server as a whole."""


class App:
    """One endpoint's calls."""

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
        for methods in (*self._paths.values(), *self._prefixes.values()):
            methods[_OPTIONS] = _options(next(iter(methods.values())).path, _allowed(methods))
        every = {one.method: one for one in operations}
        self._paths[_SERVER] = {_OPTIONS: _options(_SERVER, _allowed(every))}
        self._methods = _HARMLESS | {operation.method for operation in operations}
        """Counted by name; any other is none of ours, and there is no end of them."""

    async def __call__(self, exchange: Exchange) -> None:
        """Answer it, or end its connection."""
        try:
            await self._answer(exchange)
        finally:
            exchange.abandon()

    async def _answer(self, exchange: Exchange) -> None:
        started = perf_counter()
        method = exchange.head.method
        route = _OTHER
        request = Request(exchange, "")
        try:
            operation = self._find(method, exchange.head.path, request)
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
            _tell_failure(route, error)
            failed = WorkmillError("This call failed inside the service.")
            reply = problem_reply(shortage(error) or failed)
        if perf_counter() - started < WAITED_SECONDS:
            reply.hold_seconds = 0.0
        await self._send(request, reply, route)
        method = method if method in self._methods else _OTHER
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
            raise self._refusal(method, methods)
        return operation

    def _refusal(self, method: str, methods: Mapping[str, Operation]) -> WorkmillError:
        """405 for a method that is taken elsewhere or that HTTP names, else 501 (RFC 9110, 9.1)."""
        text = f"{method[:20]} is not taken here. Nothing was changed."
        if method not in self._methods | _OF_HTTP:
            return UnsupportedMethod(text)
        usual = " or ".join(one for one in methods if one != _OPTIONS)
        return MethodNotAllowed(f"{text} Use {usual}.", allowed=_allowed(methods))

    def _check_key(self, request: Request) -> None:
        given = request.header(b"authorization") or b""
        if self._bearer is None or not hmac.compare_digest(given, self._bearer):
            raise NotAuthorized(
                "This service wants its key. Nothing was changed. Send it as "
                "`Authorization: Bearer KEY`."
            )

    async def _send(self, request: Request, reply: Reply, route: str) -> None:
        exchange = request.exchange
        if self._service.leaving:
            exchange.keep_alive = False
        if isinstance(reply.body, bytes):
            held = reply.hold_seconds > 0 and request.proxied
            if held:
                await exchange.respond_but_last(
                    reply.status, reply.headers, reply.body, reply.hold_seconds
                )
            if reply.on_arrival is not None:
                self._service.deliveries.watch(exchange.line, reply.on_arrival)
            if held:
                exchange.respond_last(reply.body)
            else:
                exchange.respond(reply.status, reply.headers, reply.body)
            return
        exchange.begin(reply.status, reply.headers)
        await send_stream(exchange, reply.body, route)


def _allowed(methods: Mapping[str, Operation]) -> tuple[str, ...]:
    """As `Allow` names them: HEAD is taken where GET is, but for a few, and OPTIONS everywhere."""
    get = methods.get("GET")
    head = ("HEAD",) if get is not None and get.head else ()
    return (*(one for one in methods if one != _OPTIONS), *head, _OPTIONS)


def _options(path: str, allowed: tuple[str, ...]) -> Operation:
    """What may be asked of a path, or of the server (RFC 9110, section 9.3.7)."""
    allow = ", ".join(allowed).encode()

    async def options(_service: Service, _request: Request) -> Reply:
        return Reply(204, b"", [(b"allow", allow)])

    return Operation(method=_OPTIONS, path=path, group="", handler=options, open=True)


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


async def send_stream(exchange: Exchange, chunks: AsyncIterator[bytes], route: str) -> None:
    """Pump the stream until it ends or the reader is gone. One that fails ends without its end
    mark, by which its reader knows; the log says why."""
    pump = asyncio.ensure_future(_pump(exchange, chunks, route))
    gone = asyncio.ensure_future(exchange.until_gone())
    try:
        await asyncio.wait((pump, gone), return_when=asyncio.FIRST_COMPLETED)
    finally:
        gone.cancel()
        pump.cancel()
        await asyncio.gather(pump, gone, return_exceptions=True)


async def _pump(exchange: Exchange, chunks: AsyncIterator[bytes], route: str) -> None:
    try:
        async for chunk in chunks:
            await exchange.write(chunk)
        exchange.end()
    except ClientGone:
        return
    except Exception as error:  # noqa: BLE001 - nobody else would hear of it
        _tell_failure(route, error)


def _tell_failure(route: str, error: Exception) -> None:
    emit("endpoint.call_failed", level="error", route=route, error=repr(error)[:500])
