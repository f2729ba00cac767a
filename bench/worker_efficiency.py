"""Hashes a second of the running system against the bare kernel on the same cores.

The two alternate in one run, because the machine's own speed wanders. The bare kernel computes
in as many processes as the service has workers, with every lane full, at the workers' niceness,
while the service is idle. The system has its queue full: what is measured is the growth of the
store's count of iterations that were computed and handed in, between two moments at which it
grew, so that the batches in which it grows do not matter.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from bench import mill
from bench.processes import WORKER_PROCESSES
from bench.report import Figure, Report
from workmill import Client
from workmill.worker.child_main import NICENESS
from workmill.workloads.registry import find_workload

ITERATIONS = 200_000
SETTLE_SECONDS = 1.5
"""After the submits, until the workers are at their pace."""
POLL_SECONDS = 0.02
SPARE = 2.0
"""How much more is queued than should be needed: the queue must not run empty."""


def bare_hz(seconds: float) -> float:
    """Iterations a second of this process, computing full lanes and nothing else."""
    workload = find_workload("sha512")
    states = [bytes([lane]) * workload.state_bytes for lane in range(workload.lanes)]
    computed, began = 0, time.perf_counter()
    while (elapsed := time.perf_counter() - began) < seconds:
        states = workload.advance(states, [ITERATIONS // 2] * len(states))
        computed += ITERATIONS // 2 * len(states)
    return computed / elapsed


def fill(client: Client, jobs: int) -> None:
    """Queue so many jobs, each of new data."""
    data = (os.urandom(64) for _ in range(jobs))
    for handle in client.submit_many(data, iterations=ITERATIONS, fold_locally=True):
        assert handle.problem is None


def growth(client: Client, seconds: float) -> Iterator[tuple[float, int]]:
    """(moment, iterations done so far) each time the count grows, while jobs are queued."""
    seen, ends = -1, time.perf_counter() + seconds
    while (now := time.perf_counter()) < ends:
        stats = client.stats().stats
        assert stats.jobs.get("queued"), "the queue ran empty; the machine was busy, try again"
        if stats.iterations_done_total != seen:
            seen = stats.iterations_done_total
            yield now, seen
        time.sleep(POLL_SECONDS)


def system_hz(client: Client, jobs: int, seconds: float) -> float:
    """Iterations a second of the whole service while its queue is full; empties it afterwards."""
    fill(client, jobs)
    time.sleep(SETTLE_SECONDS)
    points = list(growth(client, seconds))
    (began, first), (ended, last) = points[0], points[-1]
    while client.stats().stats.backlog_iterations:
        time.sleep(POLL_SECONDS)
    return (last - first) / (ended - began)


def measure(rounds: int, seconds: float) -> Report:
    """Alternate `rounds` times; each figure is of all cores together."""
    about = f"{ITERATIONS} iterations a job, queue full, {WORKER_PROCESSES} workers"
    report = Report("worker_efficiency", about)
    bare: list[float] = []
    system: list[float] = []
    with (
        mill.running() as port,
        Client(f"http://127.0.0.1:{port}") as client,
        ProcessPoolExecutor(WORKER_PROCESSES, initializer=os.nice, initargs=(NICENESS,)) as pool,
    ):
        for _ in range(rounds):
            bare.append(sum(pool.map(bare_hz, [seconds] * WORKER_PROCESSES)))
            jobs = int(max(bare) * (seconds + SETTLE_SECONDS) * SPARE / ITERATIONS)
            system.append(system_hz(client, jobs, seconds))
    ratios = [ours / kernel for ours, kernel in zip(system, bare, strict=True)]
    ratio = statistics.median(ratios)
    report.figures += [
        Figure("bare kernel", statistics.median(bare), "hashes/s", rounds=bare),
        Figure("running system", statistics.median(system), "hashes/s", ratio, rounds=system),
    ]
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench worker_efficiency", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=6.0, help="of each measurement")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    measure(asked.rounds, asked.seconds).show(asked.json)


if __name__ == "__main__":
    main()
