"""A power cut under a single Redis: every acknowledged job is in what the disk holds.

As in `test_power_cut`: the server keeps its log on a loop-mounted image, and a copy of the image,
taken in the midst of submits, is all that is left. The copy is mounted, another server
starts on it, and is asked for every job that was acknowledged before the copy began.
"""

from __future__ import annotations

import shutil
import threading
from functools import partial
from pathlib import Path

import pytest
from tests.contract.crash_writer import BATCH, new_job
from tests.faults.disks import empty, mounted, needs_disks
from tests.redis_servers import RedisServer, running_redis

from workmill.store.redis import RedisStore
from workmill.store.redis.addresses import Address
from workmill.store.redis.judgement import Level
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink

CUTS = 5
JOBS = 400
"""How many are acknowledged before each cut."""
pytestmark = [pytest.mark.faults, needs_disks]


def store_on(server: RedisServer, level: Level) -> RedisStore:
    address = Address(nodes=(server.node,))
    return RedisStore(partial(RedisLink, address, "{w}", level=level, prepare=load))


class Writer:
    """Submits job after job until it is stopped."""

    def __init__(self, store: RedisStore) -> None:
        self.acknowledged: list[int] = []
        self.enough = threading.Event()
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._write)
        self._thread.start()

    def _write(self) -> None:
        while not self._stopped.is_set():
            batch = list(range(len(self.acknowledged), len(self.acknowledged) + BATCH))
            with self._store.group():
                self._store.submit([new_job(number) for number in batch])
            self.acknowledged += batch
            if len(self.acknowledged) >= JOBS:
                self.enough.set()

    def stop(self) -> None:
        self._stopped.set()
        self._thread.join()


def cut(tmp_path: Path, level: Level, appendfsync: str) -> tuple[int, int]:
    """Cut the power under a server that is written to; (acknowledged, lost) jobs."""
    image, copy = tmp_path / "disk.img", tmp_path / "cut.img"
    empty(image)
    kept = {"appendfsync": appendfsync}
    with mounted(image, tmp_path / "live") as live, running_redis(live / "redis", kept) as server:
        writer = Writer(store_on(server, level))
        assert writer.enough.wait(60)
        numbers = list(writer.acknowledged)
        server.pause()  # the copy takes a moment, and a power cut none
        shutil.copyfile(image, copy)
        server.resume()
        writer.stop()
    with mounted(copy, tmp_path / "after") as after, running_redis(after / "redis", kept) as server:
        store = store_on(server, level)
        with store.group():
            found = store.get([number.to_bytes(16, "big") for number in numbers])
        store.close()
    return len(numbers), sum(job is None for job in found)


def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """At the level `disk` a reply waits for the fsync that holds its job."""
    for _ in range(CUTS):
        acknowledged, lost = cut(tmp_path, Level.DISK, "always")
        print(f"{acknowledged} acknowledged, {lost} lost")
        assert (acknowledged >= JOBS, lost) == (True, 0)


def test_the_harness_sees_a_loss(tmp_path: Path) -> None:
    """At the level `memory`, with a log that is not synced, the same cut loses jobs."""
    acknowledged, lost = cut(tmp_path, Level.MEMORY, "no")
    assert acknowledged >= JOBS
    assert lost > 0
