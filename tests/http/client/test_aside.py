"""What an AsyncClient does beside its loop holds nobody up, and is done without threads, too."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from tests.http.client.live import Live

from workmill import AsyncClient, Client
from workmill.client import upload
from workmill.domain.errors import InvalidInput

WAIT_SECONDS = 60.0
MANY = 40  # more than a default executor of asyncio has threads on any machine


@contextmanager
def silent_pipes() -> Iterator[list[IO[bytes]]]:
    """Nobody writes to them."""
    pairs = [os.pipe() for _ in range(MANY)]
    try:
        yield [os.fdopen(read, "rb", closefd=False) for read, _ in pairs]
    finally:
        for _, write in pairs:
            os.close(write)
        for thread in threading.enumerate():
            if thread.name == "workmill-submit":
                thread.join()  # it reads the end
        for read, _ in pairs:
            os.close(read)


async def test_silent_pipes_hold_up_nobody_else(live: Live) -> None:
    """Neither other calls, nor names that are looked up, nor the end of the loop."""
    loop = asyncio.get_running_loop()
    with silent_pipes() as pipes:
        async with AsyncClient(live.url) as client, asyncio.timeout(WAIT_SECONDS):
            waiting = [asyncio.create_task(client.submit(pipe, 1)) for pipe in pipes]
            await asyncio.sleep(0)  # each has begun
            handles = [handle async for handle in client.submit_many([b"data"], 1)]
            assert [handle.problem for handle in handles] == [None]
            await loop.getaddrinfo("localhost", 1)
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
            await loop.shutdown_default_executor()


async def test_a_file_that_is_opened_for_nobody_is_closed(
    live: Live, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The call was cancelled while a thread opened it: not left to the collector."""
    opened: list[IO[bytes]] = []
    threads: list[threading.Thread] = []
    begun, go_on = threading.Event(), threading.Event()
    right = upload._opened

    def slow(path: Path) -> IO[bytes]:
        opened.append(right(path))
        threads.append(threading.current_thread())
        begun.set()
        go_on.wait()
        return opened[0]

    monkeypatch.setattr(upload, "_opened", slow)
    source = tmp_path / "source"
    source.write_bytes(b"x" * 400_000)
    async with AsyncClient(live.url) as client:
        task = asyncio.create_task(client.submit(source, 1))
        await asyncio.to_thread(begun.wait)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go_on.set()
        await asyncio.to_thread(threads[0].join)
    assert opened[0].closed


async def test_where_no_thread_can_be_had_the_work_is_done_in_place(
    live: Live, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a limit on threads, and when the interpreter ends, as in the blocking client."""

    right = threading.Thread.start

    def refused(thread: threading.Thread) -> None:
        if threading.current_thread() is threading.main_thread():
            raise RuntimeError("can't start new thread")
        right(thread)  # the endpoint's

    source, target = tmp_path / "source", tmp_path / "copy"
    source.write_bytes(b"x" * 400_000)
    async with AsyncClient(live.url) as client:
        monkeypatch.setattr(threading.Thread, "start", refused)
        await client.submit(source, 1)
        await client.submit(source, 1, fold_locally=True)
        handles = [handle async for handle in client.submit_many([b"a", source], 1)]
        assert [handle.problem for handle in handles] == [None, None]
        await client.backup(target)
        monkeypatch.undo()
    assert target.stat().st_size > 0


LAST = """
import sys
from workmill import Client

class Last:
    def __init__(self):
        self.client, self.ends = Client(sys.argv[1]), sys.is_finalizing
    def __del__(self):
        print(len(list(self.client.submit_many([b"a", b"b"], 1))), self.ends())

last = Last()
"""


def test_what_an_object_submits_at_its_end_is_submitted(live: Live) -> None:
    """When the interpreter takes its modules apart, no thread runs any more."""
    told = subprocess.run(
        [sys.executable, "-c", LAST, live.url],
        capture_output=True,
        text=True,
        timeout=WAIT_SECONDS,
        check=True,
    )
    assert told.stdout.split() == ["2", "True"], told


def test_a_client_that_is_closed_while_it_sends_says_so(live: Live, tmp_path: Path) -> None:
    """By another thread, or by what hears how far a file is."""
    source = tmp_path / "source"
    source.write_bytes(b"x" * 900_000)
    client = Client(live.url)
    with pytest.raises(InvalidInput, match="is closed"):
        client.submit(source, 1, heard=lambda _done: client.close())
