"""A power cut under a single Redis: every acknowledged job is in what the disk holds.

As in `test_power_cut`: the server keeps its log on a loop-mounted image, and a copy of the image,
taken in the midst of submits, is all that is left. The copy is mounted, another server
starts on it, and is asked for every job that was acknowledged before the copy began.
"""

from __future__ import annotations

import shutil
from functools import partial
from pathlib import Path

import pytest
from tests.faults.disks import empty, mounted, needs_disks
from tests.load.load import Load
from tests.load.on_stores import Found, Stores, look
from tests.redis_servers import running_redis, store_at

from workmill.store.redis.acknowledgement import Level

CUTS = 5
JOBS = 400
"""How many are acknowledged before each cut."""
TOTAL, GROUP_JOBS = (100, 100), (10, 10)
pytestmark = [pytest.mark.faults, needs_disks]


def cut(tmp_path: Path, level: Level, appendfsync: str) -> Found:
    """Cut the power under a server that is written to, and look."""
    image, copy = tmp_path / "disk.img", tmp_path / "cut.img"
    empty(image)
    kept = {"appendfsync": appendfsync}
    with mounted(image, tmp_path / "live") as live, running_redis(live / "redis", kept) as server:
        way = Stores(partial(store_at, server.address, level=level), TOTAL, GROUP_JOBS)
        with Load([way]) as load:
            load.wait_for(JOBS)
            acknowledged = dict(load.ledger.acknowledged)
            server.pause()  # the copy takes a moment, and a power cut none
            shutil.copyfile(image, copy)
            server.resume()
    with mounted(copy, tmp_path / "after") as after, running_redis(after / "redis", kept) as server:
        return look(partial(store_at, server.address, level=level), acknowledged)


def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path) -> None:
    """At the level `disk` a reply waits for the fsync that holds its job."""
    for _ in range(CUTS):
        found = cut(tmp_path, Level.DISK, "always")
        print(found)
        assert found == (found.acknowledged, 0, 0)
        assert found.acknowledged >= JOBS


def test_the_harness_sees_a_loss(tmp_path: Path) -> None:
    """At the level `memory`, with a log that is not synced, the same cut loses jobs."""
    found = cut(tmp_path, Level.MEMORY, "no")
    assert found.acknowledged >= JOBS
    assert found.lost > 0
