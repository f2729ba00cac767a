"""What a process uses: arithmetic on two readings, and one meter on real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

import psutil
import pytest
from tests.system.processes import until

from workmill.domain.job import Load
from workmill.telemetry.container_limits import Container
from workmill.telemetry.prometheus import MetricsPage, load_gauges
from workmill.telemetry.resource_usage import LoadMeter, Usage, load_between

BUSY = "while True: pass"


def usage(at_seconds: float, cpu_seconds: Mapping[int, float]) -> Usage:
    return Usage(at_seconds, cpu_seconds, 100, memory_fraction=0.25, disk_fraction=0.5)


@pytest.mark.parametrize(
    ("before", "now", "cores"),
    [
        ({1: 10.0}, {1: 10.0}, 0.0),
        ({1: 10.0}, {1: 11.0}, 0.5),
        ({1: 10.0, 2: 4.0}, {1: 12.0, 2: 6.0}, 2.0),
        ({1: 10.0}, {1: 10.0, 2: 3.0}, 1.5),  # a child that began in between
        ({1: 10.0, 2: 4.0}, {1: 11.0}, 0.5),  # one that has ended
        ({1: 10.0, 2: 4.0}, {1: 11.0, 2: 0.0}, 0.5),  # another one under its number
    ],
)
def test_cores_are_processor_time_over_time(
    before: Mapping[int, float], now: Mapping[int, float], cores: float
) -> None:
    """Summed over a process and its children, and never below zero."""
    load = load_between(usage(100.0, before), usage(102.0, now))
    assert load == Load(
        cpu_cores=cores, resident_bytes=100, memory_fraction=0.25, disk_fraction=0.5
    )


def test_no_time_has_no_rate() -> None:
    """Two readings at once divide by nothing."""
    assert load_between(usage(1.0, {1: 1.0}), usage(1.0, {1: 2.0})).cpu_cores == 0.0


def test_a_reading_that_fails_counts_nothing_and_the_next_one_no_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Hours of a process's life are not what it used in the last second: an endpoint that said so
    would have others started."""

    class Times(NamedTuple):
        user: float = 3600.0
        system: float = 0.0

    def refuse(_process: psutil.Process) -> Times:
        raise psutil.AccessDenied

    monkeypatch.setattr(psutil.Process, "cpu_times", lambda _: Times())
    meter = LoadMeter()
    with monkeypatch.context() as hidden:
        hidden.setattr(psutil.Process, "cpu_times", refuse)
        assert meter.read().cpu_cores == 0
    assert meter.read().cpu_cores == 0


@pytest.fixture
def child() -> Iterator[subprocess.Popen[bytes]]:
    """A child that keeps one core as busy as it gets it."""
    process = subprocess.Popen([sys.executable, "-c", BUSY])
    yield process
    process.kill()
    process.wait()


def test_a_child_counts_with_its_parent(child: subprocess.Popen[bytes]) -> None:
    """The parent of a worker computes nothing: it is the child that keeps the core busy."""
    with_child = LoadMeter(children=lambda: (child.pid,))
    alone = LoadMeter().read()
    until(lambda: with_child.read().cpu_cores > 0.02)
    load = with_child.read()
    assert load.resident_bytes > alone.resident_bytes > 0
    assert 0 < load.memory_fraction < 1
    assert 0 < load.disk_fraction <= 1


def test_what_cannot_be_read_silences_nobody(child: subprocess.Popen[bytes]) -> None:
    """A child that is gone uses nothing, a directory that is gone fills no disk."""
    meter = LoadMeter(directory="/nowhere/at/all", children=lambda: (child.pid,))
    child.kill()
    child.wait()
    load = meter.read()
    assert (load.disk_fraction, load.cpu_cores >= 0) == (0.0, True)
    assert load.resident_bytes > 0


def test_memory_is_the_containers_where_that_is_tighter(monkeypatch: pytest.MonkeyPatch) -> None:
    """A container that is nearly full is, however much its host has left."""
    meter = LoadMeter()
    monkeypatch.setattr(meter, "_container", Container(Path("/proc/nonexistent")))
    host = meter.read().memory_fraction
    monkeypatch.setattr(Container, "memory_fraction", lambda _: 0.999)
    assert meter.read().memory_fraction == 0.999 > host


def test_the_disk_is_the_one_under_the_data(tmp_path: Path) -> None:
    """Not the root's, when the data is elsewhere."""
    said = os.statvfs(tmp_path)
    used = (said.f_blocks - said.f_bfree) / (said.f_blocks - said.f_bfree + said.f_bavail)
    assert LoadMeter(directory=str(tmp_path)).read().disk_fraction == pytest.approx(used, abs=0.05)


def test_a_load_is_shown_as_gauges() -> None:
    """Under names that carry their units."""
    load = Load(cpu_cores=1.5, memory_fraction=0.25, disk_fraction=0.5, loop_lag_seconds=0.125)
    lines = MetricsPage(lambda: load_gauges(load)).render().decode().splitlines()
    assert {
        "workmill_cpu_cores 1.5",
        "workmill_memory_fraction 0.25",
        "workmill_disk_fraction 0.5",
        "workmill_loop_lag_seconds 0.125",
    } <= set(lines)
