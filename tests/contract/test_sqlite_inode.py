"""A file is looked at by its inode alone, and the answer is the one of `os.stat`."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from tests.contract.job_factory import new_job

from workmill.store.sqlite import SqliteStore, inode
from workmill.store.sqlite.inode import inode_of
from workmill.store.sqlite.ownership import FILE_NAME, LOG_SUFFIX


@pytest.fixture(params=["statx", "stat"], autouse=True)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways to ask: with and without `statx` in the C library."""
    if request.param == "stat":
        monkeypatch.setattr(inode, "_statx", None)
    else:
        assert inode._statx is not None


def test_it_is_the_inode_that_stat_tells(tmp_path: Path) -> None:
    """Also of a name that is not ASCII, and through a symlink."""
    file = tmp_path / "jöbs-\udcff.db"
    file.write_bytes(b"x")
    link = tmp_path / "link"
    link.symlink_to(file)
    found = file.stat()
    assert inode_of(str(file)) == inode_of(str(link)) == (found.st_dev, found.st_ino)


def test_a_name_that_leads_nowhere_has_none(tmp_path: Path) -> None:
    """Absent, below a file, and a symlink to nothing."""
    file = tmp_path / "file"
    file.write_bytes(b"x")
    (tmp_path / "link").symlink_to(tmp_path / "absent")
    for name in ("absent", "file/below", "link"):
        assert inode_of(str(tmp_path / name)) is None


def test_what_cannot_be_told_is_an_error(tmp_path: Path) -> None:
    """A loop of symlinks is neither there nor gone."""
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(OSError) as refused:  # noqa: PT011 - its number is looked at below
        inode_of(str(tmp_path / "loop"))
    assert refused.value.errno == errno.ELOOP


def test_a_commit_does_not_ask_for_the_times_of_the_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else each commit would have to write the log's inode, too."""
    store = SqliteStore(tmp_path)
    asked: list[str] = []
    look = os.stat

    def stat(path: str, *words: object, **more: object) -> os.stat_result:
        asked.append(str(path))
        return look(path, *words, **more)  # type: ignore[arg-type]

    with monkeypatch.context() as watched:
        watched.setattr(os, "stat", stat)
        with store.group():
            store.submit([new_job()])
    store.close()
    assert [path for path in asked if path.endswith(FILE_NAME)]
    if inode._statx is not None:
        assert not [path for path in asked if path.endswith(LOG_SUFFIX)]
