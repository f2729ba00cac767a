"""Limits of control groups: sample trees of every layout, and a real one where it can be made."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from workmill.telemetry.container_limits import Container, Memory, _whole_cores, usable_cores

V2 = "30 20 0:26 {first} /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
V1_CPU = "33 31 0:29 {first} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct"
V1_MEMORY = "36 31 0:32 {first} /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory"
OTHERS = "21 20 0:19 / /sys rw - sysfs sysfs rw\n22 20 8:1 / / rw - ext4 /dev/sda1 rw"


def tree(
    root: Path, groups: str, *mounts: str, files: Mapping[str, str], first: str = "/"
) -> Container:
    """A process in these groups, under these mounts, with these files below /sys/fs/cgroup."""
    proc = root / "proc/self"
    proc.mkdir(parents=True)
    (proc / "cgroup").write_text(groups + "\n")
    shown = [OTHERS, *(mount.format(first=first) for mount in mounts)]
    (proc / "mountinfo").write_text("\n".join(shown) + "\n")
    for name, text in files.items():
        file = root / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return Container(root)


@pytest.mark.parametrize(
    ("said", "cores"),
    [
        ("150000 100000\n", 1.5),
        ("1000 100000\n", 0.01),
        ("max 100000\n", math.inf),
        ("", math.inf),
        ("-1 100000", math.inf),
        ("0 100000", math.inf),
        ("100000 0", math.inf),
        ("nonsense", math.inf),
        ("1e5 100000", math.inf),
        ("9" * 400 + " 100000", math.inf),
        ("\0\0\xff", math.inf),
        ("\u00b2 100000", math.inf),
    ],
)
def test_the_quota_of_a_unified_tree(tmp_path: Path, said: str, cores: float) -> None:
    """`cpu.max`; what is no quota limits nothing."""
    container = tree(tmp_path, "0::/a", V2, files={"a/cpu.max": said})
    assert container.cores() == cores


@pytest.mark.parametrize(
    ("quota", "period", "cores"),
    [("250000", "100000", 2.5), ("-1", "100000", math.inf), ("50000", "", math.inf)],
)
def test_the_quota_of_a_tree_of_its_own(
    tmp_path: Path, quota: str, period: str, cores: float
) -> None:
    """`cpu.cfs_quota_us`, beside other trees that say nothing of it."""
    files = {
        "cpu,cpuacct/a/cpu.cfs_quota_us": quota,
        "cpu,cpuacct/a/cpu.cfs_period_us": period,
    }
    groups = "9:name=systemd:/s\n4:memory:/m\n3:cpu,cpuacct:/a\n0::/"
    assert tree(tmp_path, groups, V1_CPU, V1_MEMORY, files=files).cores() == cores


def test_the_tightest_group_on_the_way_up_counts(tmp_path: Path) -> None:
    """A pod's limit holds for its containers, whatever theirs is."""
    files = {
        "pod/box/cpu.max": "max 100000",
        "pod/cpu.max": "200000 100000",
        "cpu.max": "800000 100000",
        "pod/box/memory.max": "max",
        "pod/memory.max": "1000",
        "pod/memory.current": "900",
        "memory.max": "4000",
        "memory.current": "1000",
    }
    container = tree(tmp_path, "0::/pod/box", V2, files=files)
    assert container.cores() == 2.0
    assert container.memory_fraction() == 0.9
    assert (container.free_bytes(), container.limit_bytes()) == (100, 1000)


def test_a_container_that_sees_its_group_as_the_whole_tree(tmp_path: Path) -> None:
    """Without a namespace of its own /proc names the group as the host does, and the mount begins
    with it."""
    group = "/docker/0f3a"
    container = tree(tmp_path, f"0::{group}", V2, files={"cpu.max": "100000 100000"}, first=group)
    assert container.cores() == 1.0


@pytest.mark.parametrize("group", ["/../..", "/elsewhere", "/docker/0f3a/../x"])
def test_a_group_outside_of_what_is_mounted(tmp_path: Path, group: str) -> None:
    """Then the mount point is all there is to be seen."""
    files = {"cpu.max": "300000 100000"}
    assert tree(tmp_path, f"0::{group}", V2, files=files, first="/docker/0f3a").cores() == 3.0


def test_both_layouts_at_once(tmp_path: Path) -> None:
    """A hybrid host: each controller is in one of the trees, and its limit is found there."""
    unified = V2.replace("/sys/fs/cgroup", "/sys/fs/cgroup/unified")
    files = {
        "unified/a/cpu.max": "400000 100000",
        "cpu,cpuacct/b/cpu.cfs_quota_us": "150000",
        "cpu,cpuacct/b/cpu.cfs_period_us": "100000",
        "memory/c/memory.limit_in_bytes": "2000",
        "memory/c/memory.usage_in_bytes": "1500",
        "memory/c/memory.stat": "cache 700\ninactive_file 1\ntotal_inactive_file 500\n",
        "memory/memory.limit_in_bytes": "9223372036854771712",
        "memory/memory.usage_in_bytes": "5000",
    }
    groups = "4:memory:/c\n3:cpu,cpuacct:/b\n0::/a"
    container = tree(tmp_path, groups, unified, V1_CPU, V1_MEMORY, files=files)
    assert container.cores() == 1.5
    assert container.memory()[0] == Memory(2000, 1000)
    assert container.memory_fraction() == 0.5


def test_cache_that_can_be_given_up_is_not_in_use(tmp_path: Path) -> None:
    """A file that was read once must not make a container look full."""
    files = {
        "memory.max": "1000",
        "memory.current": "990",
        "memory.stat": "anon 90\nfile 900\ninactive_file 800\n",
    }
    assert tree(tmp_path, "0::/", V2, files=files).memory_fraction() == 0.19


@pytest.mark.parametrize("groups", ["", "garbage", "0:", "x:y:z", "1:cpu:relative", "0::\0"])
@pytest.mark.parametrize("mount", ["", "1 2 3", "1 2 3 / - cgroup2 x rw", V2, "- - -"])
def test_what_cannot_be_understood_limits_nothing(tmp_path: Path, groups: str, mount: str) -> None:
    """No control groups, a format of another world: as if there were no limit, and no error."""
    container = tree(tmp_path, groups, mount, files={})
    assert (container.cores(), container.memory()) == (math.inf, [])


def test_what_cannot_be_read_limits_nothing(tmp_path: Path) -> None:
    """Files that are folders, and a /proc that is not there."""
    assert Container(tmp_path).cores() == math.inf
    (tmp_path / "sys/fs/cgroup/memory.max").mkdir(parents=True)
    (tmp_path / "sys/fs/cgroup/cpu.max").mkdir()
    container = tree(tmp_path, "0::/", V2, files={})
    assert (container.cores(), container.memory_fraction()) == (math.inf, 0.0)
    assert (container.free_bytes(), container.limit_bytes()) == (math.inf, math.inf)


@pytest.mark.parametrize(
    ("runnable", "quota", "cores"),
    [(64, math.inf, 64), (64, 1.0, 1), (64, 0.05, 1), (64, 2.5, 3), (2, 3.0, 2), (8, 8.0, 8)],
)
def test_part_of_a_core_counts_as_one(runnable: int, quota: float, cores: int) -> None:
    """What is allowed is used; never more than there are cores to run on, never none."""
    assert _whole_cores(runnable, quota) == cores


def _may_make(folder: Path) -> Path | None:
    group = folder / f"workmill-test-{os.getpid()}"
    try:
        group.mkdir()
    except OSError:
        return None
    return group


@pytest.fixture
def real_group() -> Iterator[Path]:
    """A group with a quota of one core, made on this machine; gone afterwards."""
    made = None
    for folder, file, quota in (
        (Path("/sys/fs/cgroup/cpu"), "cpu.cfs_quota_us", "100000"),
        (Path("/sys/fs/cgroup"), "cpu.max", "100000 100000"),
    ):
        if made is None and (made := _may_make(folder)):
            try:
                (made / file).write_text(quota)
            except OSError:
                made.rmdir()
                made = None
    if made is None:
        pytest.skip("this kernel lets nobody make a group here")
    yield made
    made.rmdir()


SAID_INSIDE = """
import os, sys
from pathlib import Path
Path(sys.argv[1], "cgroup.procs").write_text(str(os.getpid()))
from workmill.doctor.machine import cores
from workmill.telemetry.container_limits import usable_cores
print(usable_cores(), cores().figures["cores"])
"""


def test_a_real_quota_is_what_a_process_inside_finds(real_group: Path) -> None:
    """One core is allowed: one worker for `auto`, and the doctor says the same."""
    inside = subprocess.run(
        [sys.executable, "-c", SAID_INSIDE, str(real_group)],
        capture_output=True,
        text=True,
        timeout=100,
        check=True,
    )
    assert inside.stdout == "1 1\n"


def test_outside_of_a_quota_it_is_the_affinity() -> None:
    """This process may use what it may run on, unless its own container says less."""
    assert 1 <= usable_cores() <= len(os.sched_getaffinity(0))


@pytest.mark.parametrize("cores", [1, 3])
def test_cores_that_others_have_are_not_counted(
    monkeypatch: pytest.MonkeyPatch, cores: int
) -> None:
    """`taskset` and cpusets leave the number of processors as it is."""
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    monkeypatch.setattr(Container, "cores", lambda _: math.inf)
    assert usable_cores() == cores


def test_a_mount_with_blanks_in_its_name_is_found(tmp_path: Path) -> None:
    """The kernel shows them in octal."""
    odd = V2.replace("/sys/fs/cgroup", r"/sys/fs/cgroup/a\040b")
    assert tree(tmp_path, "0::/", odd, files={"a b/cpu.max": "200000 100000"}).cores() == 2.0


def test_bytes_that_are_no_text_hide_no_limit(tmp_path: Path) -> None:
    """Somebody's mount may have any name."""
    tree(tmp_path, "0::/", V2, files={"cpu.max": "200000 100000"})
    mounts = tmp_path / "proc/self/mountinfo"
    mounts.write_bytes(b"9 1 8:1 / /mnt/\xff rw - ext4 /dev/sdb rw\n" + mounts.read_bytes())
    assert Container(tmp_path).cores() == 2.0


def test_more_than_all_is_all(tmp_path: Path) -> None:
    """A limit may be lowered below what is in use."""
    files = {"memory.max": "1000", "memory.current": "3000"}
    assert tree(tmp_path, "0::/", V2, files=files).memory_fraction() == 1.0
