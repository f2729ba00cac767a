"""Asking for a rolling restart: lines as they come, one restart at a time."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import pytest_asyncio
from tests.redis_servers import folder

from workmill.cluster.plan import restart_socket
from workmill.cluster.restart_socket import Restarts, ask_restart
from workmill.domain.errors import Unavailable

Steps = Callable[[], AsyncGenerator[str, None]]


@pytest_asyncio.fixture
async def place() -> AsyncIterator[Path]:
    """A short one: a socket's path may not be long."""
    with folder() as made:
        yield made


@asynccontextmanager
async def listening(place: Path, steps: Steps) -> AsyncIterator[None]:
    task = asyncio.create_task(Restarts(place, steps).tend(None))
    while not restart_socket(place).exists():  # noqa: ASYNC110 - a file sends no event
        await asyncio.sleep(0.01)
    yield
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


async def asked(place: Path) -> list[str]:
    return await asyncio.to_thread(lambda: list(ask_restart(place)))


async def test_each_step_is_said(place: Path) -> None:
    """Whoever asks reads what was done, in order; the socket is for its owner alone."""

    async def steps() -> AsyncGenerator[str, None]:
        for step in ("one", "two"):
            yield step

    async with listening(place, steps):
        assert restart_socket(place).stat().st_mode & 0o177 == 0
        assert await asked(place) == ["one", "two"]
        assert await asked(place) == ["one", "two"]


async def test_a_second_one_is_refused(place: Path) -> None:
    """Two at once would take each other's neighbours away; the first goes on, also when the one
    who asked for it has left."""
    begun, go_on, ended = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def steps() -> AsyncGenerator[str, None]:
        yield "one"
        begun.set()
        await go_on.wait()
        yield "two"
        ended.set()

    async with listening(place, steps):
        _, writer = await asyncio.open_unix_connection(restart_socket(place))
        await begun.wait()
        writer.close()
        with pytest.raises(Unavailable, match="under way already"):
            await asked(place)
        go_on.set()
        await ended.wait()


async def test_a_step_that_fails_is_said_and_ends_it(place: Path) -> None:
    """The person hears what was waited for; the next restart may begin."""
    tries: list[int] = []

    async def steps() -> AsyncGenerator[str, None]:
        yield "one"
        tries.append(1)
        if len(tries) == 1:
            raise Unavailable("redis-2 never was in step")

    async with listening(place, steps):
        with pytest.raises(Unavailable, match="redis-2 never was in step"):
            await asked(place)
        assert await asked(place) == ["one"]


async def test_a_cluster_that_stops_meanwhile_is_said(place: Path) -> None:
    """A drain ends the restart; whoever asked is not left waiting, and hears of it."""
    begun = asyncio.Event()

    async def steps() -> AsyncGenerator[str, None]:
        yield "one"
        begun.set()
        await asyncio.Event().wait()

    async with listening(place, steps):
        asking = asyncio.create_task(asked(place))
        await begun.wait()
    with pytest.raises(Unavailable, match="stopped before"):
        await asking


async def test_an_error_that_nobody_thought_of_is_said_as_it_is(place: Path) -> None:
    """The cluster has not stopped: whoever asked hears what has, and may ask again."""

    async def steps() -> AsyncGenerator[str, None]:
        yield "one"
        raise OSError(28, "No space left on device")

    async with listening(place, steps):
        for _ in range(2):
            with pytest.raises(Unavailable, match="No space left on device"):
                await asked(place)


async def test_the_mask_of_the_process_stays_as_it_is(place: Path) -> None:
    """Children that start in that moment would have it for good, and make directories that nobody
    can enter."""
    mask = os.umask(0o022)
    os.umask(mask)
    seen: set[int] = set()

    async def steps() -> AsyncGenerator[str, None]:
        yield "one"

    task = asyncio.create_task(Restarts(place, steps).tend(None))
    while not restart_socket(place).exists():
        seen.add(os.umask(mask))
        await asyncio.sleep(0)
    for _ in range(5):
        seen.add(os.umask(mask))
        await asyncio.sleep(0)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert seen == {mask}


def test_without_a_cluster_nothing_is_restarted(tmp_path: Path) -> None:
    """The wrong directory is said."""
    with pytest.raises(Unavailable, match="No cluster runs on"):
        list(ask_restart(tmp_path))
