"""Backup and restore over HTTP while the service runs."""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from tests.http.endpoint.conftest import Running, Start
from tests.system.service_definition import value_of

from workmill.endpoint import backup as files
from workmill.endpoint import temporary_files


def test_a_backup_taken_under_load_restores_on_another_machine(start: Start) -> None:
    """Every job acknowledged before the backup is in it, and can be finished elsewhere."""
    old, new = start(), start()
    ids = [old.submit(b"job %d" % number, 3) for number in range(50)]
    stop = threading.Event()

    def load() -> None:
        with httpx.Client(base_url=old.url) as http:
            while not stop.is_set():
                http.put("/enqueue?iterations=2", content=b"load")

    thread = threading.Thread(target=load)
    thread.start()
    backup = old.http.get("/v1/backup")
    stop.set()
    thread.join()
    assert backup.status_code == 200
    assert len(backup.content) == int(backup.headers["content-length"])
    lost = new.submit(b"of the replaced store", 3)
    assert new.http.post("/v1/restore", content=backup.content).status_code == 204
    assert new.http.get(f"/v1/jobs/{lost}").status_code == 404
    new.work()
    for number in (0, 49):
        assert new.http.get(f"/v1/jobs/{ids[number]}").json()["value"] == value_of(
            b"job %d" % number, 3
        )


@pytest.mark.parametrize("path", ["/v1/backup", "/v1/events"])
def test_a_head_request_makes_no_copy(shared: Running, path: str) -> None:
    """405 for what would be made only to be thrown away; the way to ask is named."""
    reply = shared.http.head(path)
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET, OPTIONS")


@pytest.mark.parametrize("body", [b"", b"no backup", bytes(100_000)])
def test_what_is_no_backup_changes_nothing(shared: Running, body: bytes) -> None:
    """422, and the jobs are still there."""
    job_id = shared.submit(b"still here", 3)
    reply = shared.http.post("/v1/restore", content=body)
    assert reply.status_code == 422
    assert reply.json()["detail"].startswith("The backup "), "not what its copy is called here"
    assert shared.http.get(f"/v1/jobs/{job_id}").status_code == 200


def test_copies_lie_beside_the_data_and_nothing_is_left(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The system's temporary directory does not matter: it may be full, or not there."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "nowhere"))
    data = tmp_path / "data"
    data.mkdir()
    running = start(directory=str(data))
    made: list[Path] = []
    whole: Callable[..., str] = tempfile.mkdtemp

    def noted(**given: Any) -> str:
        made.append(Path(given["dir"]))
        return whole(**given)

    monkeypatch.setattr(tempfile, "mkdtemp", noted)
    backup = running.http.get("/v1/backup")
    assert running.http.post("/v1/restore", content=backup.content).status_code == 204
    assert made == [data, data]
    assert list(data.iterdir()) == []


def test_a_restore_that_stands_is_not_told_as_a_failure(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What cannot be tidied up afterwards is no news about the store."""
    running = start(directory=str(tmp_path))
    backup = running.http.get("/v1/backup").content

    def stuck(path: Path, *, ignore_errors: bool = False) -> None:
        if not ignore_errors:
            raise OSError(f"{path} cannot be removed")

    monkeypatch.setattr(shutil, "rmtree", stuck)
    assert running.http.post("/v1/restore", content=backup).status_code == 204


@pytest.mark.parametrize("call", ["backup", "restore"])
def test_a_full_disk_is_named_with_its_folder(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    """503, what was changed (nothing), and where to make room; the service goes on."""
    running = start(directory=str(tmp_path))
    running.submit(b"kept")
    backup = running.http.get("/v1/backup").content

    def full(**_given: Any) -> str:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as broken:
        broken.setattr(tempfile, "mkdtemp", full)
        reply = (
            running.http.get("/v1/backup")
            if call == "backup"
            else running.http.post("/v1/restore", content=backup)
        )
    assert reply.status_code == 503
    assert f"The disk under {tmp_path} is full" in reply.json()["detail"]
    assert running.stored() == 1


def test_a_restore_without_room_for_it_is_refused_before_it_is_sent(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the length that the caller announces."""
    running = start(directory=str(tmp_path))
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_bavail=1, f_frsize=1))
    reply = running.http.post("/v1/restore", content=bytes(100))
    assert reply.status_code == 503
    assert "is full" in reply.json()["detail"]


async def test_a_start_clears_what_a_kill_has_left(start: Start, tmp_path: Path) -> None:
    """Folders of a process that is gone; not those that another endpoint is using."""
    async with temporary_files.scratch_folder(str(tmp_path)) as used:
        left = tmp_path / f"{temporary_files.PREFIX}killed"
        left.mkdir()
        (left / "backup").write_bytes(b"half a copy")
        start(directory=str(tmp_path))
        assert not left.exists()
        assert used.exists()
    assert not used.exists()


def test_no_file_work_of_a_copy_is_done_on_the_event_loop(
    start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """To make, look at, close and remove what is as large as the store, on a disk that may hang:
    all else is answered meanwhile."""
    at: dict[str, set[bool]] = {}
    for where, name in (
        *((temporary_files, "_locked_folder"), (temporary_files, "_remove"), (files, "check_room")),
        *((files, "_open"), (files, "_create"), (files, "_close")),
    ):
        monkeypatch.setattr(where, name, on_which_thread(at, name, getattr(where, name)))
    running = start(directory=str(tmp_path))
    running.submit(b"x", 3)
    backup = running.http.get("/v1/backup").content
    assert running.http.post("/v1/restore", content=backup).status_code == 204
    assert set(at) == {"_locked_folder", "_remove", "check_room", "_open", "_create", "_close"}
    assert set.union(*at.values()) == {False}


def on_which_thread(at: dict[str, set[bool]], name: str, act: Callable[..., Any]) -> Any:
    """`act`, noting whether an event loop runs where it is called."""

    def noted(*given: Any) -> Any:
        at.setdefault(name, set()).add(asyncio._get_running_loop() is not None)
        return act(*given)

    return noted
