"""Backups of a store of two shards whose parts were moved about, with a checksum that is right."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from tests.contract.conftest import open_redis, open_shards
from tests.contract.job_factory import new_job
from tests.contract.store_drivers import Stand

from workmill.domain.errors import InvalidInput
from workmill.domain.lifecycle import Status
from workmill.store.redis import backup_file
from workmill.store.redis.backup_shard import ALONE
from workmill.store.sharded.backup import MAGIC

JOBS = 16


def parts_of(whole: Path) -> list[bytes]:
    """The file of each part."""
    raw = whole.read_bytes()
    count, at, parts = raw[len(MAGIC)], len(MAGIC) + 1, list[bytes]()
    for _ in range(count):
        size = int.from_bytes(raw[at : at + 8], "big")
        parts.append(raw[at + 8 : at + 8 + size])
        at += 8 + size
    return parts


def join(parts: list[bytes], whole: Path) -> Path:
    """One file of these parts."""
    framed = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    raw = MAGIC + bytes([len(parts)]) + framed
    whole.write_bytes(raw + hashlib.sha256(raw).digest())
    return whole


def without_place(part: bytes, folder: Path) -> bytes:
    """As it was before a part's backup said which one it is."""
    (folder / "part").write_bytes(part)
    with (folder / "older").open("wb") as file:
        writer = backup_file.Writer(file)
        for kind, items in backup_file.frames(folder / "part"):
            writer.add(kind, items[: -len(ALONE.words())] if kind == "books" else items)
        writer.end()
    return (folder / "older").read_bytes()


MOVES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "swapped": lambda parts: parts[::-1],
    "the first twice": lambda parts: [parts[0], parts[0]],
    "the last twice": lambda parts: [parts[1], parts[1]],
    "the last missing": lambda parts: parts[:1],
    "the first missing": lambda parts: parts[1:],
}


@pytest.mark.parametrize("move", MOVES)
def test_parts_that_were_moved_are_refused(redis_url: str, tmp_path: Path, move: str) -> None:
    """Each part once, in its place, and none left out; the person reads the name of their file."""
    stand = Stand(partial(open_shards, redis_url), tmp_path / "store")
    stand.submit(*(new_job() for _ in range(JOBS)))
    stand.store.backup(tmp_path / "good")
    parts = parts_of(tmp_path / "good")
    assert join(parts, tmp_path / "same").read_bytes() == (tmp_path / "good").read_bytes()
    moved = join(MOVES[move](parts), tmp_path / "moved")
    with pytest.raises(InvalidInput, match="moved has not each part of its store"):
        stand.store.restore(moved)
    assert stand.stats().jobs[Status.QUEUED] == JOBS
    stand.store.close()


@pytest.mark.parametrize("count", [0, 255])
def test_a_backup_of_no_parts_or_of_too_many_is_refused(
    redis_url: str, tmp_path: Path, count: int
) -> None:
    """Parts that a backup does not have are restored to nothing: one of none would empty all."""
    stand = Stand(partial(open_shards, redis_url), tmp_path / "store")
    stand.submit(*(new_job() for _ in range(JOBS)))
    stand.store.backup(tmp_path / "good")
    edited = join(parts_of(tmp_path / "good")[:1] * count, tmp_path / "edited")
    with pytest.raises(InvalidInput, match="has no parts, or too many"):
        stand.store.restore(edited)
    assert stand.stats().jobs[Status.QUEUED] == JOBS
    stand.store.close()


def test_a_backup_that_does_not_say_which_part_it_is_is_refused(
    redis_url: str, tmp_path: Path
) -> None:
    """Of several shards and of one Redis: parts that are missing in it could not be told."""
    stand = Stand(partial(open_shards, redis_url), tmp_path / "store")
    alone = Stand(partial(open_redis, redis_url), tmp_path / "alone")
    for one in (stand, alone):
        one.submit(*(new_job() for _ in range(JOBS)))
        one.store.backup(tmp_path / "good")
        if one is alone:
            (tmp_path / "older").write_bytes(
                without_place((tmp_path / "good").read_bytes(), tmp_path)
            )
        else:
            parts = [without_place(part, tmp_path) for part in parts_of(tmp_path / "good")]
            join(parts, tmp_path / "older")
        with pytest.raises(InvalidInput, match="older does not say which part of a store"):
            one.store.restore(tmp_path / "older")
        one.store.restore(tmp_path / "good")
        assert one.stats().jobs[Status.QUEUED] == JOBS
        one.store.close()


def test_one_part_does_not_pass_for_a_whole_store(redis_url: str, tmp_path: Path) -> None:
    """Restored into a single Redis it would be a store that lacks half of its jobs."""
    stand = Stand(partial(open_shards, redis_url), tmp_path / "store")
    stand.submit(*(new_job() for _ in range(JOBS)))
    stand.store.backup(tmp_path / "good")
    (tmp_path / "part").write_bytes(parts_of(tmp_path / "good")[0])
    stand.store.close()
    alone = Stand(partial(open_redis, redis_url), tmp_path / "alone")
    alone.submit(new_job())
    with pytest.raises(InvalidInput, match="part has not each part of its store"):
        alone.store.restore(tmp_path / "part")
    assert alone.stats().jobs[Status.QUEUED] == 1
    alone.store.close()


def test_parts_of_two_backups_are_refused(redis_url: str, tmp_path: Path) -> None:
    """Each in its place, and yet jobs would be there as of one time, and others as of another."""
    stand = Stand(partial(open_shards, redis_url), tmp_path / "store")
    parts = []
    for name in ("first", "second"):
        stand.submit(*(new_job() for _ in range(JOBS)))
        stand.store.backup(tmp_path / name)
        parts.append(parts_of(tmp_path / name))
    mixed = join([parts[0][0], parts[1][1]], tmp_path / "mixed")
    with pytest.raises(InvalidInput, match="mixed has parts of several backups"):
        stand.store.restore(mixed)
    assert stand.stats().jobs[Status.QUEUED] == 2 * JOBS
    stand.store.close()
