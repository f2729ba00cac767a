"""An endpoint that hangs: a server that answers or does not, and processes that only live."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.answering import answering

from workmill.supervisor import hang_detector
from workmill.supervisor.processes import Command, LocalProcesses

ENDPOINT = Command("endpoint", (sys.executable, "-c", "import time; time.sleep(600)"))


class Face:
    """What the endpoint shows: it answers while it is `well`."""

    def __init__(self) -> None:
        self.well = True
        self.hangs_once = False
        self._answered = asyncio.Semaphore(0)
        self._given_up = asyncio.Semaphore(0)

    async def has_answered(self) -> None:
        """Return when a question has been answered that was asked after this began."""
        while not self._answered.locked():
            await self._answered.acquire()
        await self._answered.acquire()
        await self._answered.acquire()

    async def was_given_up(self, times: int) -> None:
        """Return when so many questions have been waited for in vain."""
        for _ in range(times):
            await self._given_up.acquire()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"GET /healthz ")
        if self.hangs_once:
            self.hangs_once = False
            await reader.read()
        elif self.well:
            writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
            self._answered.release()
        else:
            await reader.read()  # until the caller gives up
            self._given_up.release()


def alive(pid: int) -> bool:
    """Not ended, and not about to be."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() != b""
    except OSError:
        return False


@asynccontextmanager
async def watched(
    face: Face, monkeypatch: pytest.MonkeyPatch, *, once_more_seconds: float = 0.5
) -> AsyncIterator[LocalProcesses]:
    monkeypatch.setattr(hang_detector, "HUNG_SECONDS", 0.5)
    monkeypatch.setattr(hang_detector, "ASK_SECONDS", 0.01)
    monkeypatch.setattr(hang_detector, "ONCE_MORE_SECONDS", once_more_seconds)
    processes = LocalProcesses()
    async with answering(face.serve) as port:
        url = f"http://127.0.0.1:{port}"
        watch = asyncio.create_task(
            hang_detector.end_hung(processes, "endpoint", lambda _: hang_detector.health_at(url))
        )
        try:
            yield processes
        finally:
            watch.cancel()
            await processes.kill()


async def test_one_that_answered_and_then_hangs_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """By force: it would not hear anything else."""
    face = Face()
    async with watched(face, monkeypatch) as processes:
        process = await processes.start(ENDPOINT)
        await face.has_answered()
        face.well = False
        assert await processes.ended(process) == -9


async def test_one_that_has_never_answered_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may be opening a large store. Once it has answered it is judged like any other."""
    face = Face()
    face.well = False
    async with watched(face, monkeypatch) as processes:
        process = await processes.start(ENDPOINT)
        ended = asyncio.create_task(processes.ended(process))
        await face.was_given_up(5)  # so two rounds of two questions are over
        assert not ended.done()
        face.well = True
        await face.has_answered()
        face.well = False
        assert await ended == -9


async def test_one_that_answers_when_it_is_asked_once_more_is_left_alone(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whoever asked may have been stopped, and have woken after the time for the answer."""
    face = Face()
    async with watched(face, monkeypatch, once_more_seconds=60) as processes:
        process = await processes.start(ENDPOINT)
        await face.has_answered()
        face.hangs_once = True
        while face.hangs_once:  # noqa: ASYNC110 - a face sends no event
            await asyncio.sleep(0.01)
        await face.has_answered()
        assert alive(process.pid)
