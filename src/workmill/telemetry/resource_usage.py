"""What a process and its children use, from one beat to the next.

Theory. The kernel counts processor time per process since its start; the difference of two readings
over the time between them is how many cores were kept busy. A child that began since the last
reading counts whole, one that has ended counts no more: what it used at last is left out rather
than guessed. Children are named by whoever started them, for a search would read every process of
the machine each second. One reading takes a fraction of a millisecond, but it asks the file system,
which may hang: never on an event loop.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Final, NamedTuple, TypeVar

import psutil

from workmill.domain.job import Load
from workmill.telemetry.container_limits import Container

ROOT: Final = "/"
_T = TypeVar("_T")


class Usage(NamedTuple):
    """One reading. `cpu_seconds` is by process, each since its own start."""

    at_seconds: float
    cpu_seconds: Mapping[int, float]
    resident_bytes: int
    memory_fraction: float
    disk_fraction: float


def load_between(before: Usage, now: Usage) -> Load:
    """What was used between two readings, and stands at the end of them."""
    elapsed_seconds = now.at_seconds - before.at_seconds
    busy_seconds = sum(
        max(0.0, seconds - before.cpu_seconds.get(pid, 0.0))
        for pid, seconds in now.cpu_seconds.items()
    )
    return Load(
        cpu_cores=busy_seconds / elapsed_seconds if elapsed_seconds > 0 else 0.0,
        resident_bytes=now.resident_bytes,
        memory_fraction=now.memory_fraction,
        disk_fraction=now.disk_fraction,
    )


class LoadMeter:
    """Measures this process since the last reading, the first time since the meter was made."""

    def __init__(
        self, *, directory: str = ROOT, children: Callable[[], Iterable[int]] = tuple
    ) -> None:
        """`directory` is where this process keeps data, on whatever disk that is; `children`
        returns the process ids of the children that work for it now."""
        self._directory = directory
        self._children = children
        self._container = Container()
        self._known: dict[int, psutil.Process] = {}
        self._last = Usage(0.0, {}, 0, 0.0, 0.0)
        self._last = self._usage()

    def read(self) -> Load:
        """What was used since the last reading. Never raises: what cannot be read is 0, for a
        machine that hides a figure must not silence its node."""
        now = self._usage()
        load = load_between(self._last, now)
        self._last = now
        return load

    def _usage(self) -> Usage:
        cpu_seconds: dict[int, float] = {}
        resident_bytes = 0
        for pid in (os.getpid(), *self._children()):
            before = self._last.cpu_seconds.get(pid)  # 0 would make all its life a moment's work
            seconds, size = _or(partial(self._process, pid), (before, 0))
            if seconds is not None:
                cpu_seconds[pid] = seconds
            resident_bytes += size
        self._known = {pid: one for pid, one in self._known.items() if pid in cpu_seconds}
        return Usage(
            at_seconds=time.monotonic(),
            cpu_seconds=cpu_seconds,
            resident_bytes=resident_bytes,
            memory_fraction=max(_or(_memory_fraction, 0.0), self._container.memory_fraction()),
            disk_fraction=_or(self._disk_fraction, 0.0),
        )

    def _process(self, pid: int) -> tuple[float | None, int]:
        process = self._known.get(pid)
        if process is None:
            process = self._known[pid] = psutil.Process(pid)
        times = process.cpu_times()
        return times.user + times.system, process.memory_info().rss

    def _disk_fraction(self) -> float:
        return float(psutil.disk_usage(self._directory).percent / 100)


def _memory_fraction() -> float:
    """What cannot be had without swapping, of all that the machine has."""
    memory = psutil.virtual_memory()
    return float(1 - memory.available / memory.total)


def _or(read: Callable[[], _T], otherwise: _T) -> _T:
    try:
        return read()
    except (psutil.Error, OSError, ValueError, LookupError, ArithmeticError):
        return otherwise
