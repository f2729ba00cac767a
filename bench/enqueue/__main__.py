"""Submits/s with fsync against a bare handler, alternating in one run, driven by wrk.

Debian and Ubuntu have it as the package `wrk`.
"""

from __future__ import annotations

import argparse
import re
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench.processes import child, free_port, wait_for_port
from bench.report import Figure, Report

SCRIPT = Path(__file__).with_name("enqueue.lua")
WARM_UP_SECONDS = 2
_REQUESTS_PER_SECOND = re.compile(r"Requests/sec:\s+([0-9.]+)")


def drive(port: int, seconds: int, connections: int, body_bytes: int, seed: int) -> float:
    """Requests/s of one run of wrk. Raises RuntimeError when any was not answered with 200."""
    url = f"http://127.0.0.1:{port}/enqueue?iterations=10"
    words = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), url]
    words += ["--", str(body_bytes), str(seed)]
    said = subprocess.run(words, check=True, capture_output=True, text=True).stdout
    found = _REQUESTS_PER_SECOND.search(said)
    if not found or "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(f"wrk met errors:\n{said}")
    return float(found[1])


def measure(rounds: int, seconds: int, connections: int, body_bytes: int) -> Report:
    """Both servers, round by round."""
    about = f"{body_bytes} bytes each, {connections} connections, fsync before each reply"
    ports = {"bare ASGI handler": free_port(), "PUT /enqueue": free_port()}
    rates: dict[str, list[float]] = {name: [] for name in ports}
    servers = [sys.executable, "-m", "bench.enqueue.servers"]
    bare, workmill = map(str, ports.values())
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as made:
        logs = [Path(made) / "bare.log", Path(made) / "workmill.log"]
        Path(made, "data").mkdir()
        with (
            child([*servers, "bare", bare], logs[0]),
            child([*servers, "workmill", workmill, f"{made}/data"], logs[1]),
        ):
            for seed, port in enumerate(ports.values()):
                wait_for_port(port, logs[seed])
                drive(port, WARM_UP_SECONDS, connections, body_bytes, seed)
            for turn in range(rounds):
                for name, port in ports.items():
                    seed = 1000 + turn
                    rates[name].append(drive(port, seconds, connections, body_bytes, seed))
    return _report(about, rates)


def _report(about: str, rates: dict[str, list[float]]) -> Report:
    report = Report("enqueue", about)
    base, *_ = rates.values()
    for name, found in rates.items():
        ratios = [one / other for one, other in zip(found, base, strict=True)]
        middle = statistics.median
        report.figures.append(Figure(name, middle(found), "requests/s", middle(ratios), found))
    return report


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench enqueue", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each (%(default)s)")
    parser.add_argument("--seconds", type=int, default=5, help="per round (%(default)s)")
    parser.add_argument("--connections", type=int, default=64, help="(%(default)s)")
    parser.add_argument("--body-bytes", type=int, default=16 * 1024, help="(%(default)s)")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    measure(asked.rounds, asked.seconds, asked.connections, asked.body_bytes).show(asked.json)


if __name__ == "__main__":
    main()
