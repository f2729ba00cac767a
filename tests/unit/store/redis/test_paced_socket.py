"""A reply has an end, in time and in size."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import count

import pytest

from workmill.store.redis import paced_socket
from workmill.store.redis.addresses import Access, Node
from workmill.store.redis.connection import Connection, Silent


@pytest.fixture
def serve() -> Iterator[Callable[[bytes, bytes], Node]]:
    """A server that begins its reply with one thing, and then says another without end."""
    listener = socket.create_server(("127.0.0.1", 0))
    threads: list[threading.Thread] = []

    def begin(first: bytes, then: bytes) -> Node:
        def answer() -> None:
            caller, _ = listener.accept()
            with caller, suppress(OSError):
                caller.recv(65536)
                caller.sendall(first)
                while True:
                    caller.sendall(then)

        threads.append(threading.Thread(target=answer, daemon=True))
        threads[0].start()
        return Node("127.0.0.1", listener.getsockname()[1])

    yield begin
    for thread in threads:
        thread.join()
    listener.close()


def test_a_reply_without_end_is_given_up(
    serve: Callable[[bytes, bytes], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that goes on and on fills no memory."""
    monkeypatch.setattr(paced_socket, "MAX_REPLY_BYTES", 1_000_000)
    connection = Connection(serve(b"+", b"a" * 65536), Access())
    with pytest.raises(Silent, match="longer than 1000000 bytes"):
        connection.ask("PING")
    assert not connection.is_alive()


def test_a_reply_that_drips_is_given_up(
    serve: Callable[[bytes, bytes], Node], monkeypatch: pytest.MonkeyPatch
) -> None:
    """However short its pauses are: here the clock goes on by a second at each byte."""
    connection = Connection(serve(b"+", b"a"), Access(), answer_seconds=30)
    clock = count()
    paced = connection._driver.paced
    monkeypatch.setattr(paced, "_ticks", lambda: next(clock))
    monkeypatch.setattr(paced, "_socket", OneByteAtATime(paced._socket))
    with pytest.raises(Silent, match="Timeout"):
        connection.ask("PING")
    assert next(clock) <= 40


class OneByteAtATime:
    """A socket from which a single byte comes at each call."""

    def __init__(self, whole: socket.socket) -> None:
        self._whole = whole

    def recv_into(self, buffer: bytearray) -> int:
        return self._whole.recv_into(buffer, 1)

    def __getattr__(self, name: str) -> object:
        return getattr(self._whole, name)


def test_what_comes_at_a_pace_may_take_its_time() -> None:
    """Every byte puts the deadline off: a long reply over a slow line is read to its end."""
    ours, theirs = socket.socketpair()
    now = [0.0]
    paced = paced_socket.PacedSocket(ours, 1.0, lambda: now[0])
    buffer = bytearray(64 * 1024)
    with ours, theirs:
        for _ in range(10):
            theirs.sendall(bytes(64 * 1024))
            read_bytes = 0
            while read_bytes < 64 * 1024:
                read_bytes += paced.recv_into(buffer)
            now[0] += 1.9
        theirs.sendall(b"1")
        now[0] += 3
        with pytest.raises(TimeoutError):
            paced.recv_into(buffer)
