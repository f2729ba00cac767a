"""How a bench says what it found: a table for people, JSON for everything else."""

from __future__ import annotations

import json
import os
import platform
import time
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, NamedTuple


def machine_kind() -> str:
    """Cores, processor and Python: enough to compare figures by."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        named = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = named[0] if named else model
    return f"{os.cpu_count()} cores, {model}, Python {platform.python_version()}"


@dataclass(frozen=True)
class Figure:
    """One measured figure; `ratio` compares it with what its bench says it compares with."""

    name: str
    value: float
    unit: str
    ratio: float | None = None
    rounds: list[float] = field(default_factory=list)


@dataclass
class Report:
    """What one bench found, and on what kind of machine."""

    bench: str
    about: str
    figures: list[Figure] = field(default_factory=list)
    others_busy: float | None = None
    """The part of all cores that other processes took meanwhile: near 0.0 in a quiet run."""
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat("T", "seconds"))
    machine: str = field(default_factory=machine_kind)

    def show(self, file: Path | None = None) -> None:
        """Print the table, and write JSON to `file` when one is given."""
        self.others_busy = _others_busy(_BEGIN, _Spent.now())
        print(f"{self.bench}: {self.about}\n{self.machine}, {self.measured_at}")
        if self.others_busy is not None:
            print(f"other processes took {self.others_busy:.0%} of the machine meanwhile")
        width = max((len(each.name) for each in self.figures), default=0)
        for each in self.figures:
            ratio = "" if each.ratio is None else f"  {each.ratio:8.2f}x"
            print(f"  {each.name:{width}}  {each.value:14,.1f} {each.unit}{ratio}")
        if file:
            file.write_text(json.dumps(asdict(self), indent=2) + "\n")


class _Spent(NamedTuple):
    """Seconds since some moment: of the clock, of all cores' work, and of our own processes'."""

    clock: float
    machine: float
    own: float

    @classmethod
    def now(cls) -> _Spent | None:
        """None where the system does not tell (no /proc/stat)."""
        try:
            first = Path("/proc/stat").read_text().split("\n", 1)[0].split()
        except OSError:
            return None
        user, nice, system, _idle, _iowait, interrupts, soft_interrupts = map(int, first[1:8])
        ticks = user + nice + system + interrupts + soft_interrupts
        times = os.times()
        own = times.user + times.system + times.children_user + times.children_system
        return cls(time.monotonic(), ticks / os.sysconf("SC_CLK_TCK"), own)


def _others_busy(begin: _Spent | None, end: _Spent | None) -> float | None:
    if begin is None or end is None:
        return None
    others = (end.machine - begin.machine) - (end.own - begin.own)
    return max(0.0, others / (end.clock - begin.clock) / (os.cpu_count() or 1))


_BEGIN: Final = _Spent.now()
"""Every bench is a process of its own, and this is its beginning."""
