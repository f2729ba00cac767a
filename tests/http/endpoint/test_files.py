"""Backup and restore over HTTP while the service runs."""

from __future__ import annotations

import threading
from pathlib import Path

import httpx
import pytest
from tests.http.endpoint.conftest import Running, Start
from tests.system.definition import value_of


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
    assert (reply.status_code, reply.headers["allow"]) == (405, "GET")


@pytest.mark.parametrize("body", [b"", b"no backup", bytes(100_000)])
def test_what_is_no_backup_changes_nothing(shared: Running, body: bytes) -> None:
    """422, and the jobs are still there."""
    job_id = shared.submit(b"still here", 3)
    reply = shared.http.post("/v1/restore", content=body)
    assert reply.status_code == 422
    assert shared.http.get(f"/v1/jobs/{job_id}").status_code == 200


def test_nothing_is_left_behind(
    shared: Running, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The working copies of both are gone when the call is answered."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    backup = shared.http.get("/v1/backup")
    assert shared.http.post("/v1/restore", content=backup.content).status_code == 204
    assert list(tmp_path.iterdir()) == []
