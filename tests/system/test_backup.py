"""Backup and restore as commands, rehearsed on a live service."""

from __future__ import annotations

from pathlib import Path

from tests.system.processes import Up
from tests.system.service_definition import value_of


def test_what_was_backed_up_comes_back(tmp_path: Path) -> None:
    """Jobs of the backup are there again with their results, and unfinished ones finish."""
    copy = tmp_path / "copy.db"
    with Up(tmp_path / "one", workers=0) as up, up.client() as client:
        queued = client.submit(b"queued", 1000)
        up.said("backup", str(copy))
    with Up(tmp_path / "other") as up, up.client() as client:
        lost = client.submit(b"not in the copy", 50)
        lost.result(30)
        up.said("restore", str(copy), "--yes")
        assert client.result(queued.id, 30).hex() == value_of(b"queued", 1000)
        assert up.cli("job", lost.id).returncode == 1
        assert client.submit(b"after", 60).result(30).hex() == value_of(b"after", 60)


def test_what_is_no_backup_changes_nothing(service: Up, tmp_path: Path) -> None:
    """A file of another kind is refused with words, and every job is still there."""
    job_id = service.said("submit", "-", "-n", "30", stdin=b"still here").strip()
    (tmp_path / "noise").write_bytes(bytes(range(256)) * 64)
    refused = service.cli("restore", str(tmp_path / "noise"), "--yes")
    assert refused.returncode == 1
    assert b"Traceback" not in refused.stderr
    assert service.json("job", job_id)["id"] == job_id
