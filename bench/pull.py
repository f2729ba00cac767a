"""How fast finished results leave over HTTP: delivered at once, or under a receipt."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from bench.mill import pull_from, running
from bench.report import Figure, Report
from workmill import Client

BODY_BYTES = 16
WAIT_SECONDS = 300.0
TOP = 1000


def finished(client: Client, count: int, first: int) -> list[str]:
    """Submit `count` small jobs and wait until the service says that all are done: their ids."""
    data = (number.to_bytes(BODY_BYTES, "big") for number in range(first, first + count))
    ids = [handle.id for handle in client.submit_many(data, 2, fold_locally=True)]
    deadline = time.monotonic() + WAIT_SECONDS
    while client.stats().stats.jobs.get("done", 0) < count:
        if time.monotonic() > deadline:
            raise TimeoutError(f"not all of {count} jobs are done after {WAIT_SECONDS:.0f} s")
        time.sleep(0.1)
    return ids


def pull_and_acknowledge(client: Client, ids: list[str]) -> None:
    """Every result at least once, as the SDK does it."""
    left = set(ids)
    while left:
        batch = client.pull(TOP)
        left -= {result.id for result in batch.results}
        client.acknowledge(batch)


def measure(jobs: int) -> Report:
    """Results/s of both ways, of the same service and as many jobs each."""
    report = Report("pull", f"{jobs} finished results, {TOP} a call, one client")
    with running() as port, Client(f"http://127.0.0.1:{port}") as client:
        ids = finished(client, jobs, first=0)
        begin = time.perf_counter()
        assert {job_id for job_id, _ in pull_from(port, len(ids))} == set(ids)
        seconds = time.perf_counter() - begin
        report.figures.append(Figure("POST /pullCompleted", jobs / seconds, "results/s"))
        ids = finished(client, jobs, first=jobs)
        begin = time.perf_counter()
        pull_and_acknowledge(client, ids)
        seconds = time.perf_counter() - begin
        report.figures.append(Figure("pull and acknowledge", jobs / seconds, "results/s"))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench pull", description=__doc__)
    parser.add_argument("--jobs", type=int, default=40_000, help="results each way (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    measure(asked.jobs).show(asked.json)


if __name__ == "__main__":
    main()
