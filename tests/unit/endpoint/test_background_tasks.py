"""Tasks beside the calls: one that fails is begun again, and the log says so."""

from __future__ import annotations

import asyncio

import pytest

from workmill.endpoint import background_tasks
from workmill.endpoint.background_tasks import Background


async def test_a_task_that_fails_is_logged_and_begun_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Without this, everything that waits for the task waits for ever."""
    monkeypatch.setattr(background_tasks, "RESTART_SECONDS", 0.0)
    said: list[dict[str, object]] = []
    monkeypatch.setattr(
        background_tasks, "emit_rarely", lambda event, **more: said.append({"e": event, **more})
    )
    begun = asyncio.Queue[int]()

    async def watch() -> None:
        begun.put_nowait(1)
        if begun.qsize() < 3:
            raise LookupError("a bug")
        reached.set()
        await asyncio.Event().wait()

    reached = asyncio.Event()
    tasks = Background()
    tasks.start("watch", watch)
    await asyncio.wait_for(reached.wait(), 20)
    assert await tasks.end()
    assert [one["e"] for one in said] == ["endpoint.task_failed"] * 2
    assert said[0]["task"] == "watch"
    assert "a bug" in str(said[0]["error"])


async def test_an_end_without_a_start_is_no_end() -> None:
    """A service whose store could not be opened has nothing to end."""
    assert not await Background().end()
