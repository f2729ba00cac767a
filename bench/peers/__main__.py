"""Measure every system in alternating order; print jobs/s and the ratio to the fastest peer."""

from __future__ import annotations

import argparse
import importlib
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.data import ITERATIONS
from bench.peers import workmill_rounds
from bench.processes import child, free_port, redis_server, wait_for_port
from bench.report import Figure, Report

PEERS = ("celery", "dramatiq", "huey", "rq", "taskiq")
MODES = {
    "workmill": workmill_rounds.single_puts,
    "workmill, submit_many": workmill_rounds.submit_many,
}
ROUND_SECONDS = 600


def peer_round(peer: str, jobs: int, seed: int, *, durable: bool) -> float:
    """Start a Redis, the workers and the face of one peer, and time one round: jobs/s."""
    workers: list[str] = importlib.import_module(f"bench.peers.{peer}_peer").WORKERS
    port = free_port()
    face = [sys.executable, "-m", "bench.peers.face", peer, str(port)]
    timed = [sys.executable, "-m", "bench.peers.round", peer, str(port), str(jobs), str(seed)]
    with tempfile.TemporaryDirectory() as made, redis_server(durable=durable) as url:
        env = {**os.environ, "BENCH_REDIS_URL": url, "RQ_REDIS_URL": url}
        log = Path(made) / "peer.log"
        with child(workers, log, env), child(face, log, env):
            wait_for_port(port, log)
            try:
                run = subprocess.run(
                    timed, env=env, capture_output=True, check=False, timeout=ROUND_SECONDS
                )
            finally:
                tail = log.read_text()[-2000:]
    if run.returncode:
        raise RuntimeError(f"{peer}: {run.stderr.decode()[-2000:]}\n{tail}")
    return float(run.stdout)


def measure(systems: list[str], jobs: int, rounds: int, *, durable: bool) -> dict[str, list[float]]:
    """Jobs/s of each system in each round; every other round runs in the opposite order."""
    rates: dict[str, list[float]] = {system: [] for system in systems}
    for number in range(rounds):
        for system in systems if number % 2 == 0 else reversed(systems):
            run = MODES.get(system)
            if run:
                rate = run(jobs, number, on_redis=durable)
            else:
                rate = peer_round(system, jobs, number, durable=durable)
            rates[system].append(rate)
            print(f"round {number + 1}: {system} {rate:,.0f} jobs/s", file=sys.stderr)
    return rates


def report(rates: dict[str, list[float]], jobs: int, where: str) -> Report:
    """Medians of the rates, and of the ratios to the fastest peer round by round."""
    median = {system: statistics.median(each) for system, each in rates.items()}
    peers = [peer for peer in PEERS if peer in median]
    base = rates[max(peers, key=median.__getitem__)] if peers else None
    made = Report("peers", f"{jobs} jobs of 16 KiB, {ITERATIONS} iterations, {where}: medians")
    for system, each in rates.items():
        ratios = [one / other for one, other in zip(each, base, strict=True)] if base else []
        ratio = statistics.median(ratios) if ratios else None
        made.figures.append(Figure(system, median[system], "jobs/s", ratio, each))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench peers", description=__doc__)
    every = [*PEERS, *MODES]
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help=f"of {', '.join(every)}")
    parser.add_argument(
        "--jobs", type=int, default=12_000, help="per system and round (%(default)s)"
    )
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument(
        "--durable",
        action="store_true",
        help="all of them on a Redis that has each change on disk before it replies, Workmill too",
    )
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    rates = measure(asked.systems or every, asked.jobs, asked.rounds, durable=asked.durable)
    where = "all on a durable Redis" if asked.durable else "the peers on a Redis in memory"
    report(rates, asked.jobs, where).show(asked.json)


if __name__ == "__main__":
    main()
