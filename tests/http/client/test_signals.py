"""A signal whose handler raises in the middle of a call: how programs put a time limit on things.

What it raises is an `Exception`, often a TimeoutError, and must not be taken for the network's.
"""

from __future__ import annotations

import asyncio
import ctypes
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.http.client.liars import says, serving, whole

from workmill import AsyncClient, Client
from workmill.client import async_transport
from workmill.client.caller_exceptions import callers_own
from workmill.client.steps import Request
from workmill.client.sync_transport import Transport
from workmill.domain.errors import EndpointUnreachable

MAIN = threading.main_thread()
Handlers = Callable[[Any], Any]


class SoftLimitError(Exception):
    """As task queues raise it where a task has run for long enough."""


@pytest.fixture
def handle() -> Iterator[Handlers]:
    """Sets the handler of SIGUSR1."""
    before = signal.getsignal(signal.SIGUSR1)
    yield lambda handler: signal.signal(signal.SIGUSR1, handler)
    signal.signal(signal.SIGUSR1, before)


def _signals(_line: socket.socket, over: threading.Event) -> None:
    """A server that has the signal come in the middle of the answer it never gives."""
    assert MAIN.ident is not None
    signal.pthread_kill(MAIN.ident, signal.SIGUSR1)
    over.wait()


CALLS: dict[str, Callable[[Client], Any]] = {
    "stats": lambda client: client.stats(),
    "submit": lambda client: client.submit(b"data", 1),
    "a file": lambda client: client.submit(Path("/proc/version"), 1),
    "result": lambda client: client.result("0" * 32),
    "many": lambda client: list(client.submit_many([b"a", b"b"], 1)),
    "results": lambda client: list(client.results()),
}


@pytest.mark.parametrize("kind", [SoftLimitError, TimeoutError, ConnectionResetError, ValueError])
@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_what_a_handler_raises_ends_the_call(
    handle: Handlers, kind: type[Exception], call: Callable[[Client], Any]
) -> None:
    """It is never asked again instead, and it comes out as it is."""
    mine = kind("my time limit")

    def late(_number: int, _frame: object) -> None:
        raise mine

    handle(late)
    with serving(_signals) as url, Client(url) as client:  # as it is: 30 s of patience
        with pytest.raises(kind) as raised:
            call(client)
        assert raised.value is mine
        assert mine.__cause__ is None


async def test_it_does_so_in_a_loop(handle: Handlers, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where it meets a step of ours; what it meets of the loop's own is the loop's."""
    mine = TimeoutError("my time limit")

    def late(*_given: object) -> None:
        raise mine

    handle(late)
    monkeypatch.setattr(
        async_transport, "built", lambda *_given: signal.raise_signal(signal.SIGUSR1)
    )
    async with AsyncClient("http://127.0.0.1:1") as client:
        with pytest.raises(TimeoutError) as raised:
            await asyncio.wait_for(client.stats(), 60)
        assert raised.value is mine


class Guard:
    """A handler that is a method."""

    def late(self, _number: int, _frame: object) -> None:
        """Raise."""
        raise TimeoutError("my time limit")

    __call__ = late


def test_every_kind_of_handler_is_known(handle: Handlers) -> None:
    """A function, a method, an object that is called, a part of one."""
    for handler in (Guard().late, Guard(), partial(Guard.late, Guard()), partial(Guard())):
        handle(handler)
        with pytest.raises(TimeoutError) as raised:
            signal.raise_signal(signal.SIGUSR1)
        assert callers_own(raised.value) is raised.value


def test_a_write_that_it_met_is_no_failed_write(
    handle: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library goes on after those, and reads an answer that never comes."""
    mine = OSError("my time limit")

    def late(*_given: object) -> None:
        raise mine

    right = socket.socket.send

    def send(sock: socket.socket, *given: Any) -> int:
        signal.raise_signal(signal.SIGUSR1)
        return right(sock, *given)

    handle(late)
    with serving(says(whole(b"{}"))) as url, Transport(url) as transport:
        with monkeypatch.context() as patch:
            patch.setattr(socket.socket, "send", send)
            with pytest.raises(OSError, match="my time limit"):
                transport.send(Request("GET", "/"))
        assert transport.send(Request("GET", "/")).status == 200


def test_one_that_was_handled_before_is_no_part_of_a_later_failure(handle: Handlers) -> None:
    """Whoever tidies up in `except` hears of what failed there."""

    def late(*_given: object) -> None:
        raise TimeoutError("my time limit")

    handle(late)
    with Client("http://127.0.0.1:1", timeout_seconds=0.0) as client:
        try:
            signal.raise_signal(signal.SIGUSR1)
        except TimeoutError:
            with pytest.raises(EndpointUnreachable):
                client.stats()


def test_connections_that_it_met_are_not_used_again(
    handle: Handlers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may have come between any two steps of the library's pool."""
    with serving(says(whole(b"{}"))) as url, Transport(url) as transport:
        network = transport._network

        def late(*_given: object) -> None:
            raise SoftLimitError

        handle(late)
        with monkeypatch.context() as patch:
            patch.setattr(
                type(network),
                "handle_request",
                lambda *_given: signal.raise_signal(signal.SIGUSR1),
            )
            with pytest.raises(SoftLimitError):
                transport.send(Request("GET", "/"))
        assert transport._network is not network
        assert transport.send(Request("GET", "/")).status == 200


def test_what_another_thread_raises_here_comes_out_as_it_is() -> None:
    """Time limits for threads are made like that: no handler has a frame in it."""
    outcome: list[BaseException] = []
    asked = threading.Event()

    def asking() -> None:
        try:
            with Client(url) as client:
                client.stats()
        except BaseException as error:  # noqa: BLE001
            outcome.append(error)

    def answer(line: socket.socket, _over: threading.Event) -> None:
        number = ctypes.c_ulong(thread.ident or 0)
        ctypes.pythonapi.PyThreadState_SetAsyncExc(number, ctypes.py_object(SoftLimitError))
        asked.set()
        line.sendall(whole(b"{}"))  # it wakes, and the exception meets it

    thread = threading.Thread(target=asking)
    with serving(answer) as url:
        thread.start()
        thread.join()
    assert asked.is_set()
    assert [type(error) for error in outcome] == [SoftLimitError]
