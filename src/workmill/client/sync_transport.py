"""The way to reach an endpoint that blocks; `async_transport` is its twin that awaits.

It carries one request to the first endpoint that takes a connection, and runs whole operations
(`core.Steps`). It pools its connections, may be shared by threads, and begins anew in a forked
child. Proxy settings of the environment are not read.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Self, TypeVar, cast

import httpx

from workmill.client import forks
from workmill.client.addresses import Addresses
from workmill.client.caller_exceptions import callers_own
from workmill.client.connection_pools import MOST_CALLS, Call, Network
from workmill.client.download import Download
from workmill.client.httpx_adapter import (
    LONGEST_SECONDS,
    NO_CONNECTION,
    Reading,
    all_busy,
    built,
    closed,
    context_for,
    headers_of,
    is_callers,
    is_for_file,
    noted,
    orderly,
    translated,
    whole_copy,
)
from workmill.client.preloading import import_what_blocks
from workmill.client.sockets import Stop
from workmill.client.steps import Reply, Request, Steps, check
from workmill.client.upload import Body
from workmill.domain.errors import EndpointUnreachable
from workmill.domain.pace import Pace

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
        """`through` replaces the network. Raises InvalidInput for a URL that is none, and for a
        key that cannot be one."""
        self._addresses = Addresses(urls)
        self._headers = headers_of(key)
        self._through = through
        self._context = context_for(self._addresses)
        self._network = Network(self._context)
        self._others: set[Network] = set()
        self._closed = False
        import_what_blocks()
        forks.watch(self)

    def after_fork(self) -> None:
        """In a child: connections of its own. The parent's are let go without a word to the other
        end, which would end them for the parent, too."""
        parents, self._network = {self._network, *self._others}, Network(self._context)
        self._others = set()
        for network in parents:
            network.forget()

    def send(self, request: Request, stop: Stop | None = None) -> Reply:
        """Send once, to the first endpoint that takes a connection. Any status is a reply.

        Raises EndpointUnreachable when none takes one, or the one that did gave no reply;
        Unavailable when too many requests of this transport are under way; OSError when a file to
        be sent cannot be read. `stop` ends it from another thread.
        """
        if self._closed:
            raise closed()
        self._addresses.avoid(request.not_first)
        network = self._network_for(call := Call(), stop)
        try:
            return self._in_turn(network, request, stop)
        except BaseException as error:
            if self._network is network and not orderly(error):
                self._others.add(network)
                self._network = Network(self._context)
            raise
        finally:
            self._leave(network, call)

    def _network_for(self, call: Call, stop: Stop | None) -> Network:
        """The connections for a call of this thread: others than those that it, or the thread which
        waits for it, is using already, and may hold a lock of."""
        network, thread = self._network, threading.get_ident()
        if thread in network.calls or (stop is not None and stop.waiting in network.calls):
            network = Network(self._context)
            self._others.add(network)
        network.calls[thread] = call
        return network

    def _leave(self, network: Network, call: Call) -> None:
        """The last call on connections that were replaced closes them."""
        if network.calls.get(threading.get_ident()) is call:
            del network.calls[threading.get_ident()]
        if network is not self._network and not network.calls:
            self._others.discard(network)
            network.drop()

    def _in_turn(self, network: Network, request: Request, stop: Stop | None) -> Reply:
        if not network.turns.acquire(timeout=min(request.timeout_seconds, LONGEST_SECONDS)):
            raise all_busy(MOST_CALLS)
        source, body = request.source(), None
        try:
            body = None if source is None else source.begin()
            return self._send(network, request, body, stop)
        finally:
            network.turns.release()
            if source is not None and body is not None:
                source.end(body)

    def _send(
        self, network: Network, request: Request, body: Body | None, stop: Stop | None
    ) -> Reply:
        failure: Exception | None = None
        connecting = Pace(request.timeout_seconds)
        for url in self._addresses.in_turn():
            if failure is not None and connecting.left() <= 0.0:
                break
            try:
                reply = self._exchange(network, url, request, body, stop)
                return noted(reply, url, self._addresses)
            except Exception as error:
                if is_callers(error, request, body):
                    raise
                failure = error
            self._addresses.avoid(url)
            if not isinstance(failure, NO_CONNECTION) or callers_own(failure) is not None:
                break
        raise translated(failure)

    def _exchange(
        self,
        network: Network,
        url: str,
        request: Request,
        body: Body | None,
        stop: Stop | None,
    ) -> Reply:
        through = self._through or network
        exchange = network.backend.exchange
        pace = Pace(request.timeout_seconds)
        exchange.pace, exchange.stop = pace, stop
        content = request.content if body is None else _paced(body, pace)
        length = None if body is None else body.length
        try:
            answer = through.handle_request(built(url, request, self._headers, content, length))
            try:
                return _read(answer, request, pace)
            finally:
                answer.close()
        finally:
            exchange.pace = exchange.stop = None
            if stop is not None:
                stop.done()

    def ask(self, request: Request, reads: Callable[[Reply], T]) -> T:
        """Send once; what the reply says, as `reads` has it. Raises what `send` and `check` do, and
        after an answer that is none another endpoint is asked first."""
        reply = self.send(request)
        try:
            return reads(check(reply))
        except EndpointUnreachable:
            self._addresses.avoid(reply.url)
            raise

    def run(self, steps: Steps[T], stop: Stop | None = None) -> T:
        """Carry an operation to its end and return its value."""
        try:
            request = next(steps)
            while True:
                if request.delay_seconds:
                    (time.sleep if stop is None else stop.wait)(request.delay_seconds)
                try:
                    reply = self.send(request, stop)
                except Exception as error:
                    if stop:
                        raise
                    request = steps.throw(error)
                else:
                    request = steps.send(reply)
        except StopIteration as end:
            value: T = end.value
            return value
        finally:
            steps.close()

    def close(self) -> None:
        """Close every connection. What is under way in other threads ends with an error."""
        self._closed = True
        for network in (self._network, *self._others):
            network.close()
        if self._through is not None:
            self._through.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _paced(body: Body, pace: Pace) -> Iterator[bytes]:
    while (chunk := body.take()) is not None:
        pace.moved(len(chunk))
        yield chunk


def _read(answer: httpx.Response, request: Request, pace: Pace) -> Reply:
    reading = Reading(answer, request.most_bytes)
    stream = cast("httpx.SyncByteStream", answer.stream)  # as it came: nothing is unpacked
    if request.into is None or not is_for_file(answer, request):
        for chunk in stream:
            pace.moved(len(chunk))
            if not reading.add(chunk):
                break
        return reading.reply()
    with Download(request.into) as download:
        for chunk in stream:
            pace.moved(len(chunk))
            download.write(chunk)
        whole_copy(answer, download.size_bytes)
    return reading.reply()
