"""How long one job takes from submit to result when nothing else is queued."""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path

from bench.data import ITERATIONS, made_samples
from bench.mill import running
from bench.report import Figure, Report
from workmill import Client

WARM_UP_JOBS = 20


def latencies_ms(jobs: int) -> list[float]:
    """Submit, wait, check, one job after the other: the milliseconds that each took."""
    taken: list[float] = []
    with running() as port, Client(f"http://127.0.0.1:{port}") as client:
        for sample in made_samples(WARM_UP_JOBS + jobs, seed=1):
            begin = time.perf_counter()
            value = client.submit(sample.body, iterations=ITERATIONS).result(60.0)
            taken.append((time.perf_counter() - begin) * 1000)
            assert value.hex() == sample.value
    return taken[WARM_UP_JOBS:]


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench latency", description=__doc__)
    parser.add_argument("--jobs", type=int, default=500, help="one after the other (%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    cuts = statistics.quantiles(latencies_ms(asked.jobs), n=100, method="inclusive")
    report = Report("latency", f"{asked.jobs} jobs of 16 KiB and {ITERATIONS} iterations, in turn")
    report.figures += [Figure("p50", cuts[49], "ms"), Figure("p99", cuts[98], "ms")]
    report.show(asked.json)


if __name__ == "__main__":
    main()
