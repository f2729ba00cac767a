"""A client that was made before a fork: parent and child, threads and loops, all use it."""

from __future__ import annotations

import asyncio
import copy
import os
import pickle
from collections.abc import Callable
from contextlib import suppress

import pytest
from tests.http.client.forking import play
from tests.http.client.live import Live
from tests.system.service_definition import advanced

from workmill import AsyncClient, Client
from workmill.domain.errors import InvalidInput, WorkmillError

WAIT_SECONDS = 60.0
pytestmark = [  # a child of threads is what is tried here, and loops that end without `close`
    pytest.mark.filterwarnings("ignore:This process:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*unclosed.*:ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


def in_a_child(work: Callable[[], bool]) -> bool:
    """Whether `work` is true in a forked child, which does nothing else."""
    child = os.fork()
    if child == 0:
        status = 1
        with suppress(BaseException):
            status = 0 if work() else 1
        os._exit(status)
    return os.waitpid(child, 0)[1] == 0


@pytest.mark.usefixtures("hands")
def test_threads_loops_and_children_share_one_client(live: Live) -> None:
    """A seeded slice of the rounds: no value is wrong, and no exception leaves the client."""
    assert play(4, 7, live.url) == []


@pytest.mark.faults
@pytest.mark.usefixtures("hands")
@pytest.mark.parametrize("seed", [1, 2])
def test_two_hundred_rounds_of_everything(live: Live, seed: int) -> None:
    """The same, for long."""
    assert play(200, seed, live.url) == []


@pytest.mark.usefixtures("hands")
def test_a_child_takes_no_answer_of_its_parents(live: Live) -> None:
    """Both ask in turn on what was one connection; each gets its own values, and the parent's
    connection lives on when the child has ended."""
    with Client(live.url) as client:
        client.stats()

        def every_value_is_right(name: bytes) -> bool:
            handles = [client.submit(b"%b %d" % (name, n), 4) for n in range(30)]
            values = [handle.result(WAIT_SECONDS) for handle in handles]
            return values == [advanced(b"%b %d" % (name, n), 4) for n in range(30)]

        child = os.fork()
        if child == 0:
            status = 1
            with suppress(BaseException):
                status = 0 if every_value_is_right(b"child") else 1
            os._exit(status)
        assert every_value_is_right(b"parent")
        assert os.waitpid(child, 0)[1] == 0
        assert every_value_is_right(b"later")


def test_a_child_of_a_child_and_one_that_closes_disturb_nobody(live: Live) -> None:
    """To close a client in a child ends nothing for the parent."""
    with Client(live.url) as client:
        client.stats()
        pools = client._transport._network.backend.open
        before = list(pools.values())

        def closes() -> bool:
            with client:
                return in_a_child(lambda: client.stats() is not None)

        assert in_a_child(closes)
        client.stats()
        assert list(pools.values()) == before


def test_a_child_keeps_none_of_its_parents_connections_open(live: Live) -> None:
    """An endpoint that is asked to let go would wait for the child, and a limit of descriptors
    would count them twice."""

    def is_closed(descriptor: int) -> bool:
        try:
            os.fstat(descriptor)
        except OSError:
            return True
        return False

    with Client(live.url) as client:
        client.stats()
        mine = [one.sock.fileno() for one in client._transport._network.backend.open.values()]
        assert mine
        assert in_a_child(lambda: all(map(is_closed, mine)))
        assert not any(map(is_closed, mine))


def test_a_submit_many_goes_on_in_the_process_that_began_it(live: Live) -> None:
    """Its batches are on their way in the parent's threads: a child says so instead of waiting."""
    with Client(live.url) as client:
        handles = client.submit_many((b"%d" % n for n in range(3000)), 1)
        next(handles)

        def refuses() -> bool:
            with pytest.raises(WorkmillError, match="parent goes on"):
                list(handles)
            return True

        assert in_a_child(refuses)
        assert len(list(handles)) == 2999


@pytest.mark.usefixtures("hands")
def test_an_awaited_client_serves_one_loop_after_another(live: Live) -> None:
    """Connections of a loop that has ended are not used again, here or in a child."""
    client = AsyncClient(live.url)

    async def right(data: bytes) -> bool:
        return await (await client.submit(data, 3)).result(WAIT_SECONDS) == advanced(data, 3)

    assert all(asyncio.run(right(b"loop %d" % number)) for number in range(3))
    assert in_a_child(lambda: asyncio.run(right(b"in a child")))
    assert asyncio.run(right(b"afterwards"))


def test_what_has_been_closed_or_has_no_loop_says_so(live: Live) -> None:
    """In our words, and nothing is sent."""
    client = Client(live.url)
    client.close()
    client.close()
    with pytest.raises(InvalidInput, match="is closed"):
        client.stats()
    awaited = AsyncClient(live.url)
    asyncio.run(awaited.close())
    with pytest.raises(InvalidInput, match="is closed"):
        asyncio.run(awaited.stats())
    nowhere = AsyncClient(live.url)
    for call in (
        nowhere.stats(),
        nowhere.submit(b"data", 1),
        nowhere.submit(b"data", 1, fold_locally=True),
        anext(nowhere.submit_many([b"data"], 1)),
        anext(nowhere.submit_many([b"data"], 1, fold_locally=True)),
        anext(nowhere.results()),
    ):
        with pytest.raises(InvalidInput, match="event loop"):
            call.__await__().send(None)
    with pytest.raises(StopIteration):
        AsyncClient(live.url).close().send(None)


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, pickle.dumps])
def test_a_client_is_not_copied(live: Live, copied: Callable[[object], object]) -> None:
    """It would share connections, or write the key down; what to do instead is said."""
    with Client(live.url, key="secret-of-sixteen") as client:
        handle = client.submit(b"data", 1)
        for thing in (client, handle, AsyncClient(live.url)):
            with pytest.raises(InvalidInput, match="in each process") as raised:
                copied(thing)
            assert "secret" not in str(raised.value)
