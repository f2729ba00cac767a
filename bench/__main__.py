"""All benches behind one command: `python -m bench NAME ...`, or `all` for every one of them.

Each bench is a module with its own options (`python -m bench NAME --help`) and understands
`--json FILE`; `all` gathers those files into one.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from pathlib import Path

BENCHES = {
    "kernel": "iterations/s of one core against hashlib and OpenSSL",
    "enqueue": "submits/s with fsync against a bare handler that stores nothing",
    "peers": "jobs/s end to end against Celery, Dramatiq, Huey, RQ and Taskiq",
    "store": "a store alone: group commit, queue depth, bytes per job, pull",
    "opening": "seconds until a long SQLite store serves again after kill -9",
    "pull": "results/s pulled over HTTP",
    "worker_efficiency": "hashes/s of the running system against the bare kernel",
    "latency": "milliseconds from submit to result at low load",
}


def run(bench: str, options: list[str]) -> int:
    """Run one bench in a process of its own; its exit code."""
    return subprocess.run(
        [sys.executable, "-m", f"bench.{bench}", *options], check=False
    ).returncode


def run_all(file: Path) -> int:
    """Run every bench with its defaults and write what they found to `file`."""
    found: list[object] = []
    failed: list[str] = []
    with tempfile.TemporaryDirectory() as made:
        for bench in BENCHES:
            output = Path(made) / f"{bench}.json"
            if run(bench, ["--json", str(output)]) == 0:
                found.append(json.loads(output.read_text()))
            else:
                failed.append(bench)
    file.write_text(json.dumps(found, indent=2) + "\n")
    print(f"{len(found)} benches written to {file}", *(f"{name} failed" for name in failed))
    return bool(failed)


def main() -> int:
    names = "\n".join(f"  {name:10} {about}" for name, about in BENCHES.items())
    parser = argparse.ArgumentParser(
        prog="bench",
        description=f"benches:\n{names}\n  all        every one of them",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("bench", choices=[*BENCHES, "all"], metavar="BENCH")
    parser.add_argument("options", nargs=argparse.REMAINDER, help="for the bench itself")
    parser.add_argument("--json", type=Path, default=Path("bench.json"), help="for all")
    asked = parser.parse_args()
    if asked.bench == "all":
        return run_all(asked.json)
    return run(asked.bench, asked.options)


if __name__ == "__main__":
    raise SystemExit(main())
