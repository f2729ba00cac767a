"""How a bench says what it found: a table for people, JSON for everything else."""

from __future__ import annotations

import json
import os
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path


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
    measured_at: str = field(default_factory=lambda: datetime.now(UTC).isoformat("T", "seconds"))
    machine: str = field(default_factory=machine_kind)

    def show(self, file: Path | None = None) -> None:
        """Print the table, and write JSON to `file` when one is given."""
        print(f"{self.bench}: {self.about}\n{self.machine}, {self.measured_at}")
        width = max((len(each.name) for each in self.figures), default=0)
        for each in self.figures:
            ratio = "" if each.ratio is None else f"  {each.ratio:8.2f}x"
            print(f"  {each.name:{width}}  {each.value:14,.1f} {each.unit}{ratio}")
        if file:
            file.write_text(json.dumps(asdict(self), indent=2) + "\n")
