"""A power cut under the store: what a disk holds at one instant is all that is left.

The store writes to a loop-mounted ext4 image. A copy of the image, taken while it runs, is the
disk as a power cut would leave it: what was only in the page cache of the inner file system is
not in it. The copy is mounted (ext4 replays its journal), and every job that had been
acknowledged before the copy began must be there. With `synchronous=NORMAL` jobs must be lost:
otherwise this harness could not see a loss.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.faults.disks import empty, mounted, needs_disks

from workmill.domain.errors import StoreUnavailable
from workmill.store.sqlite import SqliteStore

WRITER = Path(__file__).parents[1] / "contract" / "crash_writer.py"
CUTS = 5
GROUPS = 40
"""How many groups are acknowledged before each cut."""

pytestmark = [pytest.mark.faults, needs_disks]


@pytest.fixture
def image(tmp_path: Path) -> Path:
    made = tmp_path / "disk.img"
    empty(made)
    return made


def cut(image: Path, tmp_path: Path, synchronous: str) -> tuple[int, int]:
    """Run a writer, cut the power under it; (acknowledged, lost) jobs."""
    copy = tmp_path / "cut.img"
    acknowledged: list[int] = []
    with mounted(image, tmp_path / "live") as live:
        command = [sys.executable, str(WRITER), str(live / "store"), "0", synchronous]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
            assert writer.stdout is not None
            for line in writer.stdout:
                verb, *numbers = line.split()
                if verb == "submitted":
                    acknowledged.extend(map(int, numbers))
                if len(acknowledged) >= GROUPS * 10:
                    break
            shutil.copyfile(image, copy)
            writer.kill()
            writer.stdout.read()
    with mounted(copy, tmp_path / "after") as after:
        try:
            store = SqliteStore(after / "store")
        except StoreUnavailable:
            return len(acknowledged), len(acknowledged)
        with store.group():
            found = store.get([number.to_bytes(16, "big") for number in acknowledged])
        store.close()
    return len(acknowledged), sum(job is None for job in found)


def test_a_power_cut_loses_nothing_acknowledged(tmp_path: Path, image: Path) -> None:
    """An acknowledged job is never lost: `synchronous=FULL` holds through every cut."""
    for _ in range(CUTS):
        acknowledged, lost = cut(image, tmp_path, "FULL")
        assert (acknowledged >= GROUPS * 10, lost) == (True, 0)
        empty(image)


def test_the_harness_sees_a_loss(tmp_path: Path, image: Path) -> None:
    """With `synchronous=NORMAL` the same cut loses acknowledged jobs, and is caught."""
    acknowledged, lost = cut(image, tmp_path, "NORMAL")
    assert acknowledged >= GROUPS * 10
    assert lost > 0
