"""One timed round of one peer, in a process of its own: prints jobs/s.

BENCH_REDIS_URL=... python -m bench.peers.round PEER PORT JOBS SEED
"""

from __future__ import annotations

import importlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Sequence

from bench.data import Sample, check, made_samples
from bench.load import put_request, send_all

WARM_UP_JOBS = 50
Pull = Callable[[Sequence[str]], Iterable[tuple[str, str]]]


def put_and_pull(port: int, samples: Sequence[Sample], pull: Pull) -> float:
    """Submit each sample by a PUT of its own, pull and check every result; takes the seconds."""
    requests = [
        put_request(f"/enqueue?iterations={each.iterations}", each.body) for each in samples
    ]
    begin = time.perf_counter()
    ids = [json.loads(reply)["id"] for reply in send_all(port, requests)]
    check(ids, samples, pull(ids))
    return time.perf_counter() - begin


def jobs_per_second(port: int, jobs: int, seed: int, pull: Pull) -> float:
    """Warm everything up with a few jobs, then measure."""
    put_and_pull(port, made_samples(WARM_UP_JOBS, seed + 1_000_000), pull)
    return jobs / put_and_pull(port, made_samples(jobs, seed), pull)


def main(peer: str, port: int, jobs: int, seed: int) -> None:
    pull: Pull = importlib.import_module(f"bench.peers.{peer}_peer").pull
    print(jobs_per_second(port, jobs, seed, pull))


if __name__ == "__main__":
    main(sys.argv[1], *map(int, sys.argv[2:5]))
