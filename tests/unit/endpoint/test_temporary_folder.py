"""Temporary folders of endpoints that share a disk."""

from __future__ import annotations

import asyncio
import errno
import os
import tempfile
import threading
from pathlib import Path
from typing import Any

import pytest

from workmill.endpoint import temporary_files


async def test_a_folder_that_another_endpoint_clears_before_its_lock_is_made_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Endpoints without a directory of their own share one, and start when they like."""
    made: list[str] = []
    make = tempfile.mkdtemp

    def cleared_once(**named: Any) -> str:
        made.append(folder := str(make(**named)))
        if len(made) == 1:
            temporary_files.clear_scratch(str(tmp_path))
        return folder

    monkeypatch.setattr(tempfile, "mkdtemp", cleared_once)
    async with temporary_files.scratch_folder(str(tmp_path)) as folder:
        assert left_in(tmp_path) == [folder]
    assert len(made) == 2


async def test_who_is_cancelled_before_it_is_made_leaves_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller hangs up while the disk stands still: its folder goes when the disk goes on."""
    begun, goes_on, removed = threading.Event(), threading.Event(), threading.Event()
    make, remove = temporary_files._locked_folder, temporary_files._remove

    def slow(root: Path) -> tuple[Path, int]:
        begun.set()
        assert goes_on.wait(20)
        return make(root)

    def noted(made: tuple[Path, int]) -> None:
        remove(made)
        removed.set()

    monkeypatch.setattr(temporary_files, "_locked_folder", slow)
    monkeypatch.setattr(temporary_files, "_remove", noted)

    async def use() -> None:
        async with temporary_files.scratch_folder(str(tmp_path)):
            raise AssertionError("it was cancelled before")

    task = asyncio.create_task(use())
    assert await asyncio.to_thread(begun.wait, 20)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    goes_on.set()
    assert await asyncio.to_thread(removed.wait, 20)
    assert left_in(tmp_path) == []


def left_in(folder: Path) -> list[Path]:
    return list(folder.iterdir())


async def test_a_file_system_without_locks_is_used_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock only tells leftovers from what is in use; nobody clears where none can be had."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    async with temporary_files.scratch_folder(str(tmp_path)) as folder:
        temporary_files.clear_scratch(str(tmp_path))
        assert left_in(tmp_path) == [folder]
