"""What a container allows: processor time and memory of the control groups around a process.

Theory. A container sees the cores and the memory of its whole host. What it may use stands in the
files of its control group, and in those of every group around that one: the smallest counts. There
are two layouts (Linux, Documentation/admin-guide/cgroup-v1 and cgroup-v2), and a host may mount
both: one tree for all controllers (`cpu.max`, `memory.max`), or one for each (`cpu.cfs_quota_us`,
`memory.limit_in_bytes`). /proc/self/cgroup says in which group of each tree a process is,
/proc/self/mountinfo where the tree is mounted, and from which group on it can be seen.

A quota of two and a half cores counts as three. Whoever computes all the time is held up for the
rest of each period when the quota is used up; a worker fewer would leave what is allowed unused.
The endpoint beside them goes first: computing gives way to it (`worker.child_main.NICENESS`).

Page cache is charged to a group and given up when memory is wanted: what of it has not been used
lately (`inactive_file`) is not in use, as container managers count too.

What is not there, cannot be read or is no number limits nothing.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

ROOT: Final = Path("/")
_OCTAL: Final = re.compile(r"\\([0-7]{3})")


class Memory(NamedTuple):
    """One group that has a limit: the limit, and what is in use of it."""

    limit_bytes: int
    used_bytes: int


class Container:
    """The groups that this process was in when this was made, the innermost first."""

    def __init__(self, root: Path = ROOT) -> None:
        """`root` is where /proc and the mounts begin: another one for tests. Never raises."""
        groups = _groups(_text(root / "proc/self/cgroup"))
        mounts = _text(root / "proc/self/mountinfo").splitlines()
        self._cpu: list[Path] = []
        self._memory: list[Path] = []
        for tree in filter(None, map(_tree, mounts)):
            for controller, levels in (("cpu", self._cpu), ("memory", self._memory)):
                if controller in tree.controllers or tree.unified:
                    group = groups.get("" if tree.unified else controller)
                    levels += [root / one.relative_to("/") for one in _levels(tree, group)]

    def cores(self) -> float:
        """How many cores may be kept busy by quota; infinite without one."""
        return min(map(_quota_cores, self._cpu), default=math.inf)

    def memory(self) -> list[Memory]:
        """Every group with a limit on its memory."""
        return [found for level in self._memory if (found := _memory(level))]

    def memory_fraction(self) -> float:
        """What is in use of the tightest group's memory, from 0 to 1; 0 without a limit."""
        fractions = (one.used_bytes / one.limit_bytes for one in self.memory())
        return min(1.0, max(fractions, default=0.0))

    def free_bytes(self) -> float:
        """How much more memory is allowed; infinite without a limit."""
        return min((one.limit_bytes - one.used_bytes for one in self.memory()), default=math.inf)

    def limit_bytes(self) -> float:
        """How much memory is allowed at all; infinite without a limit."""
        return min((one.limit_bytes for one in self.memory()), default=math.inf)


def usable_cores() -> int:
    """The cores that this process may keep busy: at least one, and in a container by its affinity
    and its quota fewer than there are."""
    return _whole_cores(len(os.sched_getaffinity(0)), Container().cores())


def _whole_cores(runnable: int, quota: float) -> int:
    return runnable if quota >= runnable else max(1, math.ceil(quota))


# --- where the files are


class _Tree(NamedTuple):
    """One mounted tree: `first` is the group that its mount point shows."""

    unified: bool
    controllers: frozenset[str]
    first: PurePosixPath
    mounted: PurePosixPath


def _groups(text: str) -> Mapping[str, PurePosixPath]:
    """By controller the group that /proc/self/cgroup names; that of the unified tree under ''."""
    lines = [line.split(":", 2) for line in text.splitlines() if line.count(":") >= 2]
    return {name: PurePosixPath(path) for _, names, path in lines for name in names.split(",")}


def _tree(line: str) -> _Tree | None:
    """The tree of control groups that a line of /proc/self/mountinfo shows, see proc(5)."""
    before, _, after = line.partition(" - ")
    mount, kinds = before.split(), after.split()
    if len(mount) < 5 or len(kinds) < 3 or kinds[0] not in {"cgroup", "cgroup2"}:
        return None
    first, mounted = (PurePosixPath(_OCTAL.sub(_character, path)) for path in mount[3:5])
    controllers = frozenset(kinds[2].split(","))
    return _Tree(kinds[0] == "cgroup2", controllers, first, mounted)


def _character(octal: re.Match[str]) -> str:
    return chr(int(octal[1], 8))


def _levels(tree: _Tree, group: PurePosixPath | None) -> Iterator[PurePosixPath]:
    """The folders of the group and of all around it that can be seen. A group that lies outside of
    what is mounted shows only the mount point itself."""
    inside = PurePosixPath()
    if group is not None and group.is_relative_to(tree.first) and ".." not in group.parts:
        inside = group.relative_to(tree.first)
    if tree.mounted.is_absolute():
        yield from (tree.mounted / level for level in (inside, *inside.parents))


# --- what they say


def _quota_cores(level: Path) -> float:
    unified = _text(level / "cpu.max").split()
    quota, period = (
        map(_number, unified)
        if len(unified) == 2
        else (_number(_text(level / f"cpu.cfs_{name}_us")) for name in ("quota", "period"))
    )
    return quota / period if quota and period else math.inf


def _memory(level: Path) -> Memory | None:
    for limit, used, cache in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        if limit_bytes := _number(_text(level / limit)):
            used_bytes = _number(_text(level / used)) or 0
            words = _text(level / "memory.stat").split()
            idle = dict(zip(words[::2], words[1::2], strict=False)).get(cache, "")
            return Memory(limit_bytes, max(0, used_bytes - (_number(idle) or 0)))
    return None


def _number(text: str) -> int | None:
    """A whole number above 0; None for anything else: `max`, -1, nothing at all."""
    word = text.strip()
    return int(word) or None if word.isascii() and word.isdigit() and len(word) < 20 else None


def _text(file: Path) -> str:
    try:
        return file.read_text(errors="replace")
    except OSError:
        return ""
