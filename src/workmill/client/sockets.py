"""The sockets of the blocking transport: held to a deadline, given up from another thread, and left
alone by a forked child.

httpcore writes and reads HTTP on them and keeps them between requests. It passes on how long one
read or write may take; that all of an exchange ends in time is seen to here.
"""

from __future__ import annotations

import select
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from contextlib import suppress
from typing import Any, Final

import httpcore

from workmill.client.caller_exceptions import by_a_handler
from workmill.domain.pace import Pace

LARGE_BYTES: Final = 64 * 1024
"""From this size on a write looks whether the endpoint has answered already."""


class Stop:
    """Ends exchanges that are under way in other threads, and whatever they would try next."""

    def __init__(self) -> None:
        self.waiting = threading.get_ident()
        """The thread that waits for them."""
        self._set = threading.Event()
        self._streams: dict[int, SocketStream] = {}

    def __bool__(self) -> bool:
        return self._set.is_set()

    def set(self) -> None:
        """Give up: returns at once."""
        self._set.set()
        for stream in list(self._streams.values()):
            stream.give_up()

    def wait(self, seconds: float) -> None:
        """Sleep, or return at once when it is set."""
        self._set.wait(seconds)

    def uses(self, stream: SocketStream) -> None:
        """This thread reads or writes here."""
        self._streams[threading.get_ident()] = stream
        if self._set.is_set():
            raise httpcore.ReadError("given up")

    def done(self) -> None:
        """This thread's exchange is over."""
        self._streams.pop(threading.get_ident(), None)


class Exchange(threading.local):
    """What bounds the exchange of the present thread."""

    pace: Pace | None = None
    stop: Stop | None = None


class SocketBackend(httpcore.NetworkBackend):
    """Opens sockets and knows which are open."""

    def __init__(self) -> None:
        self.exchange = Exchange()
        self.open: dict[int, SocketStream] = {}

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        """A connected socket that sends small pieces at once."""
        del local_address, socket_options  # never asked for
        try:
            sock = socket.create_connection((host, port), timeout)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except (OSError, UnicodeError, OverflowError) as error:
            raise _named(error, httpcore.ConnectTimeout, httpcore.ConnectError) from error
        return SocketStream(sock, self)

    def forget(self) -> None:
        """Drop every connection, and say nothing to the other end: in a forked child they are still
        its parent's."""
        for stream in list(self.open.values()):
            with suppress(OSError):
                stream.sock.close()
        self.open.clear()

    def give_up(self) -> None:
        """Wake whoever reads or writes."""
        for stream in list(self.open.values()):
            stream.give_up()


class SocketStream(httpcore.NetworkStream):
    """One socket, with TLS or without."""

    def __init__(self, sock: socket.socket, backend: SocketBackend) -> None:
        self.sock = sock
        self._backend = backend
        self._plain = not isinstance(sock, ssl.SSLSocket)
        backend.open[id(self)] = self

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """What has come, as soon as something has; nothing at the end."""
        try:
            self.sock.settimeout(self._seconds(timeout, httpcore.ReadTimeout))
            return self.sock.recv(max_bytes)
        except OSError as error:
            raise _named(error, httpcore.ReadTimeout, httpcore.ReadError) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all of it. An answer that comes before all of a large body has gone ends it."""
        rest = memoryview(buffer)
        try:
            while rest:
                seconds = self._seconds(timeout, httpcore.WriteTimeout)
                if self._plain and len(rest) >= LARGE_BYTES:
                    self._wait_for_room(seconds)
                self.sock.settimeout(seconds)
                rest = rest[self.sock.send(rest) :]
        except OSError as error:
            raise _named(error, httpcore.WriteTimeout, httpcore.WriteError) from error

    def _seconds(self, timeout: float | None, kind: type[Exception]) -> float | None:
        """How long this step may take. Raises `kind` when the time of the whole is up."""
        exchange = self._backend.exchange
        if exchange.stop is not None:
            exchange.stop.uses(self)
        if exchange.pace is None:
            return timeout
        left = exchange.pace.left()
        if left <= 0.0:
            raise kind("it took too long in all")
        return left if timeout is None else min(timeout, left)

    def _wait_for_room(self, seconds: float | None) -> None:
        """Return when something can be written. A refusal may have come meanwhile: httpcore reads
        it when a write has failed."""
        number = self.sock.fileno()
        if number < 0:
            raise OSError("closed meanwhile")
        poll = select.poll()
        poll.register(number, select.POLLIN | select.POLLOUT)
        ready = poll.poll(None if seconds is None else int(seconds * 1000) + 1)
        if not ready:
            raise TimeoutError("nothing was taken")
        if ready[0][1] & select.POLLIN:
            raise httpcore.WriteError("an answer came before the end of the request")

    def close(self) -> None:
        """Close it."""
        self._backend.open.pop(id(self), None)
        self.sock.close()

    def give_up(self) -> None:
        """End both directions, so that a thread which waits here wakes. The descriptor stays that
        thread's to close: a number that is used again must not be read by it."""
        with suppress(OSError):
            socket.socket.shutdown(self.sock, socket.SHUT_RDWR)

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """The same connection with TLS on it."""
        try:
            self.sock.settimeout(0.0)
            wrapped = ssl_context.wrap_socket(
                self.sock, server_hostname=server_hostname, do_handshake_on_connect=False
            )
            self._backend.open.pop(id(self), None)
            stream = SocketStream(wrapped, self._backend)
        except (OSError, ValueError) as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from error
        try:
            _shake_hands(wrapped, time.monotonic() + (3600.0 if timeout is None else timeout))
        except (OSError, ValueError) as error:
            stream.close()
            raise httpcore.ConnectError(str(error)) from error
        except BaseException:
            stream.close()
            raise
        return stream

    def get_extra_info(self, info: str) -> Any:
        """What httpcore asks for: the TLS object, and whether something has come meanwhile."""
        if info == "ssl_object":
            return None if self._plain else self.sock
        if info == "is_readable":
            return self._readable()
        return None

    def _readable(self) -> bool:
        number = self.sock.fileno()
        if number < 0:
            return True
        poll = select.poll()
        poll.register(number, select.POLLIN)
        return bool(poll.poll(0))


def _named(error: Exception, late: type[Exception], failed: type[Exception]) -> Exception:
    """What httpcore calls it. It goes on after a write that failed, so what the handler of a signal
    raised is raised again as it is."""
    if by_a_handler(error):
        raise error
    return (late if isinstance(error, TimeoutError) else failed)(str(error))


def _shake_hands(sock: ssl.SSLSocket, deadline: float) -> None:
    """Agree on keys, in time however slowly the other end gives its bytes."""
    while True:
        try:
            sock.do_handshake()
        except ssl.SSLWantReadError:
            event = select.POLLIN
        except ssl.SSLWantWriteError:
            event = select.POLLOUT
        else:
            return
        left = deadline - time.monotonic()
        poll = select.poll()
        poll.register(sock, event)
        if left <= 0 or not poll.poll(int(left * 1000) + 1):
            raise httpcore.ConnectTimeout("no TLS handshake in time")
