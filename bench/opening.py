"""What a killed endpoint is missed for: opening a long SQLite store, and filling its index.

A process fills a store with jobs and kills itself, so that its log is left as a kill leaves it.
Measured are the time until the store takes changes again, the longest that a group waited while the
index was filled beside it, and the time until all new jobs had their place.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.report import Figure, Report
from bench.store import Mill, new_jobs
from workmill.store.sqlite import SqliteStore

FILL_JOBS = 4000
NEW_JOBS = 10
PAUSE_SECONDS = 0.05


def fill_and_die(directory: Path, jobs: int) -> None:
    """Fill a store and end by kill -9."""
    mill = Mill(SqliteStore(directory))
    for _ in range(0, jobs, FILL_JOBS):
        mill.submit(new_jobs(FILL_JOBS, mill.store))
    os.kill(os.getpid(), signal.SIGKILL)


def measure(directory: Path, jobs: int, report: Report) -> None:
    """Open it and serve while the index is filled."""
    begin = time.perf_counter()
    store = SqliteStore(directory)
    with store.group():
        store.probe()
    opened = time.perf_counter() - begin
    longest = 0.0
    while store.settling:
        started = time.perf_counter()
        Mill(store).submit(new_jobs(NEW_JOBS, store))
        longest = max(longest, time.perf_counter() - started)
        time.sleep(PAUSE_SECONDS)
    filled = time.perf_counter() - begin
    store.close()
    peak_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    report.figures += [
        Figure(f"open and commit with {jobs:,} queued, after kill -9", opened, "s"),
        Figure("until new jobs are looked up", filled, "s"),
        Figure("longest group meanwhile", longest * 1000, "ms"),
        Figure("memory of the process", peak_bytes / 2**20, "MiB"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench opening", description=__doc__)
    parser.add_argument("--jobs", type=int, default=1_000_000, help="queued (%(default)s)")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    parser.add_argument("--fill", type=Path, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fill is not None:
        fill_and_die(asked.fill, asked.jobs)
    made = Path(tempfile.mkdtemp(prefix="workmill-bench-", dir=asked.directory))
    try:
        command = [sys.executable, "-m", "bench.opening", "--fill", str(made / "store")]
        subprocess.run([*command, "--jobs", str(asked.jobs)], check=False)
        report = Report("opening", "SQLite, a long queue, killed")
        measure(made / "store", asked.jobs, report)
        report.show(asked.json)
    finally:
        shutil.rmtree(made)


if __name__ == "__main__":
    main()
