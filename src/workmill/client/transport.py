"""The way to reach an endpoint that blocks; `async_transport` is its twin that awaits.

It carries one request to the first endpoint that takes a connection, and runs whole operations
(`core.Steps`). It pools its connections and may be shared by threads. Proxy settings of the
environment are not read.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import httpx

from workmill.client.addresses import Addresses
from workmill.client.core import Reply, Request, Steps
from workmill.client.download import Download
from workmill.client.edge import (
    CHUNK_BYTES,
    NO_CONNECTION,
    built,
    headers_of,
    noted,
    reply_of,
    settings,
    unreachable,
)
from workmill.client.reading import chunks_of
from workmill.domain.errors import EndpointUnreachable

T = TypeVar("T")


class Transport:
    """Carries requests over pooled connections; threads may share one.

    >>> with Transport("http://127.0.0.1:5000") as transport:   # doctest: +SKIP
    ...     transport.send(Request("GET", "/healthz")).status
    200
    """

    def __init__(
        self,
        urls: str | Sequence[str],
        *,
        key: str | None = None,
        through: httpx.BaseTransport | None = None,
    ) -> None:
        """`through` replaces the network. Raises InvalidInput for a URL that is none."""
        self._addresses = Addresses(urls)
        self._headers = headers_of(key)
        self._http = through or httpx.HTTPTransport(**settings(self._addresses))

    def send(self, request: Request) -> Reply:
        """Send once, to the first endpoint that takes a connection. Any status is a reply.

        Raises EndpointUnreachable when none takes one, or the one that did gave no reply.
        """
        failure: httpx.RequestError | None = None
        for url in self._addresses.in_turn():
            try:
                return noted(self._exchange(url, request), url, self._addresses)
            except httpx.RequestError as error:
                self._addresses.avoid(url)
                failure = error
                if not isinstance(error, NO_CONNECTION):
                    break
        raise unreachable(failure) from failure

    def run(self, steps: Steps[T]) -> T:
        """Carry an operation to its end and return its value."""
        try:
            request = next(steps)
            while True:
                if request.delay_seconds:
                    time.sleep(request.delay_seconds)
                try:
                    reply = self.send(request)
                except EndpointUnreachable as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(reply)
        except StopIteration as stop:
            value: T = stop.value
            return value

    def _exchange(self, url: str, request: Request) -> Reply:
        content = request.content
        body = chunks_of(content, request.heard) if isinstance(content, Path) else content
        incoming = self._http.handle_request(built(url, request, self._headers, body))
        try:
            if request.into is None or not incoming.is_success:
                incoming.read()
                return reply_of(incoming)
            with Download(request.into) as download:
                for chunk in incoming.iter_bytes(CHUNK_BYTES):
                    download.write(chunk)
            return Reply(incoming.status_code, b"", incoming.headers)
        finally:
            incoming.close()

    def close(self) -> None:
        """Close every connection."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
