"""A download's file: whole or not there, and nothing else is touched."""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import pytest

from workmill.client.download import Download, look_at
from workmill.domain.errors import InvalidInput

HOLDING = """
import os, signal, sys
from pathlib import Path
from workmill.client.download import Download
with Download(Path(sys.argv[1])) as file:
    file.write(b"half")
    print("written", flush=True)
    sys.stdin.read()
"""


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_the_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    """Under its name alone, and for its owner alone."""
    target = tmp_path / "copy"
    with Download(target) as file:
        file.write(b"one ")
        assert not target.exists()
        file.write(b"two")
    assert target.read_bytes() == b"one two"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600
    assert names(tmp_path) == ["copy"]


def test_the_old_file_stays_until_then(tmp_path: Path) -> None:
    """With its mode, and through a symbolic link that stays one."""
    target, link = tmp_path / "copy", tmp_path / "link"
    target.write_bytes(b"old")
    target.chmod(0o640)
    link.symlink_to(target)
    download = Download(link).__enter__()
    download.write(b"new")
    download.__exit__(KeyError, KeyError(), None)
    assert target.read_bytes() == b"old"
    with Download(link) as file:
        file.write(b"new")
    assert target.read_bytes() == b"new"
    assert stat.S_IMODE(target.stat().st_mode) == 0o640
    assert link.is_symlink()
    assert names(tmp_path) == ["copy", "link"]


def test_two_downloads_to_one_target_do_not_mix(tmp_path: Path) -> None:
    """The last one to be whole wins."""
    target = tmp_path / "copy"
    with Download(target) as one, Download(target) as other:
        one.write(b"11")
        other.write(b"2222")
    assert target.read_bytes() == b"11"


def test_what_a_killed_download_left_is_cleared_by_the_next(tmp_path: Path) -> None:
    """Of another name, too; but not what a living one writes."""
    with subprocess.Popen(
        [sys.executable, "-c", HOLDING, str(tmp_path / "first")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"written\n"
        look_at(tmp_path / "second")
        assert len(names(tmp_path)) == 1
        process.kill()
    assert len(names(tmp_path)) == 1
    look_at(tmp_path / "second")
    assert names(tmp_path) == []


def test_a_full_disk_is_named_with_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And nothing of the download stays."""

    def full(_place: int, _data: object) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Download(tmp_path / "copy") as file:
        monkeypatch.setattr(os, "write", full)
        with pytest.raises(OSError, match="No space left on device") as refusal:
            file.write(b"data")
        monkeypatch.undo()
    assert refusal.value.filename == str(tmp_path)


def test_a_store_is_never_written_over(tmp_path: Path) -> None:
    """`backup DATA/jobs.db` would replace the database under its service."""
    (tmp_path / "owner.lock").touch()
    (tmp_path / "jobs.db").write_bytes(b"the jobs")
    for name in ("jobs.db", "jobs.db-wal", "owner.lock"):
        with pytest.raises(InvalidInput, match="belongs to the store of a service"):
            look_at(tmp_path / name)
    look_at(tmp_path / "copy")


@pytest.mark.parametrize("name", [".", "/dev/null", "no/such"])
def test_where_no_file_can_be_put_is_refused(tmp_path: Path, name: str) -> None:
    """Before anything is asked of a service."""
    with pytest.raises(InvalidInput, match="Nothing was written"):
        look_at(tmp_path / name)


def test_a_name_that_is_too_long_is_refused(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="name too long"):
        look_at(tmp_path / ("n" * 300))


def test_all_of_it_is_written_and_synced_before_it_has_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However little a write takes at once, and whatever comes after the renaming."""
    target = tmp_path / "copy"
    whole, sync = os.write, os.fsync
    synced: list[tuple[int, bool]] = []

    def noted(descriptor: int) -> None:
        synced.append((os.fstat(descriptor).st_size, target.exists()))
        sync(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr(os, "write", lambda descriptor, data: whole(descriptor, data[:3]))
        patched.setattr(os, "fsync", noted)
        with Download(target) as file:
            file.write(b"eleven byte")
    assert target.read_bytes() == b"eleven byte"
    assert synced[0] == (11, False)


def test_a_thread_that_is_late_writes_to_nobody_elses_file(tmp_path: Path) -> None:
    """A download that is cancelled is over at once, and its descriptor's number is used again."""
    download = Download(tmp_path / "copy")
    with suppress(InterruptedError), download:
        number = download._fd
        raise InterruptedError
    other = os.open(tmp_path / "other", os.O_CREAT | os.O_WRONLY)
    try:
        assert other == number
        download.write(b"of the copy")
    finally:
        os.close(other)
    assert (tmp_path / "other").read_bytes() == b""


def test_a_file_system_without_locks_takes_a_download(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lock only tells leftovers from what is in use; nobody clears where none can be had."""

    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, os.strerror(errno.ENOLCK))

    monkeypatch.setattr("fcntl.flock", no_locks)
    target = look_at(tmp_path / "copy")
    with Download(target) as file:
        file.write(b"whole")
        look_at(tmp_path / "other")
    assert names(tmp_path) == ["copy"]
