"""Ctrl-C in the middle of a call: the next call of the same client is none the worse for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from httpcore._async.http11 import HTTP11ConnectionByteStream
from tests.http.client.liars import says, serving, whole
from tests.http.client.live import Live

from workmill import Client
from workmill.client.async_transport import AsyncTransport
from workmill.client.connection_pools import Call, Network
from workmill.client.steps import Request
from workmill.client.sync_transport import Transport


def test_connections_that_an_interrupt_left_half_way_are_not_used_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The library's pool takes no interrupt between any two of its steps: one that met one has
    failed with an AssertionError of its own in the calls that came after."""
    used: list[Network] = []
    right = Network.handle_request

    def interrupted(network: Network, request: httpx.Request) -> httpx.Response:
        used.append(network)
        if len(used) == 1:
            raise KeyboardInterrupt
        assert network is not used[0]
        return right(network, request)

    monkeypatch.setattr(Network, "handle_request", interrupted)
    with serving(says(whole(b"{}"))) as url, Transport(url) as transport:
        with pytest.raises(KeyboardInterrupt):
            transport.send(Request("GET", "/"))
        assert transport.send(Request("GET", "/")).status == 200
        assert transport.send(Request("GET", "/")).status == 200
    assert used[1] is used[2]


def test_an_error_of_the_network_keeps_the_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only what the library does not foresee costs all of them."""
    used: list[Network] = []
    answers = iter([httpx.ReadError("lost"), None])

    def failing(network: Network, request: httpx.Request) -> httpx.Response:
        used.append(network)
        error = next(answers)
        if error is not None:
            raise error
        return httpx.Response(200, stream=_Nothing(), request=request)

    monkeypatch.setattr(Network, "handle_request", failing)
    with Transport("http://127.0.0.1:1") as transport:
        with pytest.raises(Exception, match="lost"):
            transport.send(Request("GET", "/"))
        assert transport.send(Request("GET", "/")).status == 200
    assert used[0] is used[1]


class _Nothing(httpx.SyncByteStream):
    def __iter__(self) -> Iterator[bytes]:
        return iter(())


async def test_a_call_that_is_cancelled_at_any_step_leaves_no_connection_behind() -> None:
    """A program that gives up its calls for years does not run out of descriptors."""
    with serving(says(whole(b"{}"))) as url:
        async with AsyncTransport(url) as transport:
            assert (await transport.send(Request("GET", "/"))).status == 200
            network = transport._network()
            for steps in [step for step in range(60) for _ in range(3)]:
                asked = [
                    asyncio.ensure_future(transport.send(Request("GET", "/"))) for _ in range(3)
                ]
                for _ in range(steps):
                    await asyncio.sleep(0)
                for one in asked:
                    one.cancel()
                await asyncio.gather(*asked, return_exceptions=True)
                left = network._pool.connections
                assert all(one.is_idle() or one.is_closed() for one in left), (steps, left)
            assert (await transport.send(Request("GET", "/"))).status == 200


async def test_a_cancelled_end_of_an_answer_leaves_none_either(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The answer is whole, and the cancellation falls into its closing."""

    async def cancelled(_stream: object) -> None:
        raise asyncio.CancelledError

    with serving(says(whole(b"{}"))) as url:
        async with AsyncTransport(url) as transport:
            with monkeypatch.context() as patch:
                patch.setattr(HTTP11ConnectionByteStream, "aclose", cancelled)
                with pytest.raises(asyncio.CancelledError):
                    await transport.send(Request("GET", "/"))
            assert transport._network()._pool.connections == []
            assert (await transport.send(Request("GET", "/"))).status == 200


def test_connections_that_were_replaced_are_closed_by_their_last_call(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """At once, and not when the collector comes by; a call of another thread that is still under
    way on them ends first."""
    with serving(says(whole(b"{}"))) as url, Transport(url) as transport:
        transport.send(Request("GET", "/"))
        network = transport._network
        (kept,) = network.backend.open.values()
        network.calls[0] = other = Call()  # of a thread that never was
        with monkeypatch.context() as patch:
            patch.setattr(Network, "handle_request", _interrupted)
            with pytest.raises(KeyboardInterrupt):
                transport.send(Request("GET", "/"))
        assert transport._network is not network
        assert kept.sock.fileno() >= 0
        del network.calls[0]
        transport._leave(network, other)
        assert kept.sock.fileno() == -1
        assert transport._others == set()


def test_a_call_in_the_middle_of_a_call_has_connections_of_its_own(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A signal's handler, or a generator that the collector ends, runs between any two steps, also
    where this thread holds the pool's lock."""
    used: list[Network] = []
    right = Network.handle_request

    def calls_again(network: Network, request: httpx.Request) -> httpx.Response:
        used.append(network)
        if len(used) == 1:
            assert transport.send(Request("GET", "/inner")).status == 200
        return right(network, request)

    with serving(says(whole(b"{}"))) as url, Transport(url) as transport:
        monkeypatch.setattr(Network, "handle_request", calls_again)
        assert transport.send(Request("GET", "/outer")).status == 200
        assert used[0] is not used[1]
        assert used[1].backend.open == {}
        assert transport._network is used[0]


def test_a_submit_many_in_the_middle_of_a_call_does_not_wait_for_it(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its threads would wait for the pool's lock, and the one that holds it for them."""
    told: list[int] = []
    right = Network.handle_request
    client = Client(live.url)

    def submits(network: Network, request: httpx.Request) -> httpx.Response:
        if not told:
            told.append(0)
            with network._pool._optional_thread_lock:  # where a signal may find a thread
                told.append(len(list(client.submit_many([b"a", b"b"], 1))))
        return right(network, request)

    monkeypatch.setattr(Network, "handle_request", submits)
    thread = threading.Thread(target=client.stats, daemon=True)
    thread.start()
    thread.join(60)
    assert not thread.is_alive()
    assert told == [0, 2]
    assert client._transport._others == set()
    client.close()


def _interrupted(_network: Network, _request: httpx.Request) -> httpx.Response:
    raise KeyboardInterrupt


def test_an_interrupt_within_the_pools_lock_does_not_wait_for_itself() -> None:
    """The library cleans up under the lock that the interrupted line has taken already."""
    with Transport("http://127.0.0.1:1") as transport:
        lock: Any = transport._network._pool._optional_thread_lock
        with lock:
            assert lock.acquire(blocking=False)
            lock.release()
