"""Jobs of the one kind of store are never hidden by a service of the other kind."""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.runtime import data_directory
from workmill.runtime.child_commands import worker_command
from workmill.runtime.composition import open_store
from workmill.runtime.config import EndpointConfig, UpConfig, WorkerConfig
from workmill.runtime.data_directory import (
    directory_of_cluster,
    directory_of_up,
    unusable,
)
from workmill.runtime.up import run_up


@pytest.fixture
def cluster(tmp_path: Path) -> Path:
    """What a cluster leaves behind."""
    folder = tmp_path / "cluster"
    (folder / "store" / "redis-1" / "data").mkdir(parents=True)
    return folder


def linked(folder: Path) -> Path:
    link = folder.parents[1] / f"link-{folder.name}"
    link.symlink_to(folder)
    return link


WAYS: dict[str, Callable[[Path], Path]] = {
    "itself": lambda folder: folder,
    "its store": lambda folder: folder / "store" / "redis-1" / "data",
    "new in it": lambda folder: folder / "jobs",
    "a way round": lambda folder: folder / "store" / "..",
    "a link": linked,
    "a link to a part": lambda folder: linked(folder / "store"),
    "relative": lambda folder: Path(os.path.relpath(folder)),
}


def test_nothing_is_made_where_a_store_was(tmp_path: Path) -> None:
    """A directory that was moved away and is moved back would land in what was made."""
    config = EndpointConfig(data=str(tmp_path / "jobs"), may_found=False)
    with pytest.raises(StoreUnavailable, match="jobs is not there any more"):
        open_store(config)
    assert not (tmp_path / "jobs").exists()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_up_and_endpoint_refuse_the_directory_of_a_cluster(
    cluster: Path, way: Callable[[Path], Path]
) -> None:
    """By whatever path: nothing is made there, and it is said what it is."""
    data, before = str(way(cluster)), sorted(cluster.rglob("*"))
    with pytest.raises(InvalidInput, match=r"directory of a cluster.*Nothing was started"):
        run_up(UpConfig(endpoint=EndpointConfig(port=0, data=data)), lambda _: None)
    with pytest.raises(InvalidInput, match="directory of a cluster"):
        open_store(EndpointConfig(data=data))
    assert sorted(cluster.rglob("*")) == before


def test_a_cluster_refuses_the_directory_of_up_and_of_other_clusters(
    cluster: Path, tmp_path: Path
) -> None:
    """And takes its own again, and a new one, which is not made before all else is right."""
    (tmp_path / "up").mkdir()
    (tmp_path / "up" / "jobs.db").touch()
    with pytest.raises(InvalidInput, match="has the jobs of `workmill up`"):
        directory_of_cluster(str(linked(tmp_path / "up")))
    with pytest.raises(InvalidInput, match="is inside of"):
        directory_of_cluster(str(cluster / "store" / "redis-1"))
    assert directory_of_cluster(str(cluster)) == cluster.resolve()
    assert not directory_of_cluster(str(tmp_path / "new")).exists()


def test_a_directory_beside_a_cluster_is_fine(cluster: Path) -> None:
    """Both have their own in one directory by default."""
    assert directory_of_up(str(cluster.with_name("jobs"))).is_dir()
    assert directory_of_up(str(cluster.parent)) == cluster.parent.resolve()


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("/dev/null", "it is not a directory"),
        ("/dev/null/jobs", "Not a directory"),
        ("/proc/jobs", "No such file"),
        ("x" * 300, "File name too long"),
        ("jobs-\udcff", "its name is not UTF-8"),
    ],
)
def test_what_cannot_be_a_directory_is_said(data: str, said: str) -> None:
    """In the words of the operating system, with what to do."""
    with pytest.raises(InvalidInput, match=rf"cannot be used: {said}.*--data"):
        directory_of_up(data)


def test_links_in_a_circle_are_said(tmp_path: Path) -> None:
    """They lead nowhere."""
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(InvalidInput, match="cannot be used"):
        directory_of_up(str(tmp_path / "a"))


def test_a_file_system_that_cannot_be_written_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Root may do everything but that."""
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(InvalidInput, match="permissions do not let this user"):
        directory_of_up(str(tmp_path))


def test_a_key_file_that_no_child_could_be_told_of_is_refused() -> None:
    """Bytes of a name that are no UTF-8 would be a traceback."""
    with pytest.raises(InvalidInput, match="cannot be handed on"):
        worker_command(WorkerConfig(urls=(), key_file="key-\udcff"))


def test_a_disk_that_refuses_is_told_in_words(tmp_path: Path) -> None:
    """What it says and where, without the number of the error."""
    inner = tmp_path / "store"
    detail = unusable(tmp_path, OSError(errno.EROFS, "Read-only file system", str(inner))).detail
    assert detail.startswith(f"{tmp_path} cannot be used: Read-only file system: {inner}. Nothing")


async def test_a_directory_that_is_gone_is_said_until_it_is_back(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one in whose place there is another; by whoever holds it open."""
    monkeypatch.setattr(data_directory, "LOOK_SECONDS", 0.01)
    folder, elsewhere = tmp_path / "data", tmp_path / "elsewhere"
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)
    tending, said = asyncio.create_task(data_directory.tend_directory(folder, descriptor)), b""

    async def heard(event: bytes) -> None:
        nonlocal said
        while event not in said:
            await asyncio.sleep(0.01)
            said += capfdbinary.readouterr().err

    try:
        folder.rename(elsewhere)
        folder.mkdir()
        await heard(b'"cluster.directory_lost"')
        folder.rmdir()
        elsewhere.rename(folder)
        await heard(b'"cluster.directory_found"')
    finally:
        tending.cancel()
        os.close(descriptor)
    assert said.count(b'"cluster.directory_lost"') == 1
