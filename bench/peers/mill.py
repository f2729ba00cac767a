"""One timed round of Workmill: by single PUTs, or whole payloads through `submit_many`."""

from __future__ import annotations

import http.client
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bench.data import check, made_samples
from bench.peers.round import WARM_UP_JOBS, jobs_per_second
from bench.peers.work import WORKER_PROCESSES
from bench.processes import child, free_port, wait_for_port

TOP = 1000
EMPTY_PULL_SECONDS = 0.01
WORKMILL = str(Path(sys.executable).with_name("workmill"))


@contextmanager
def running() -> Iterator[int]:
    """`workmill up` with a fresh data directory and two workers; gives the port."""
    with tempfile.TemporaryDirectory() as made:
        port, log = free_port(), Path(made) / "workmill.log"
        words = [WORKMILL, "up", "--port", str(port), "--data", f"{made}/data"]
        with child([*words, "--workers", str(WORKER_PROCESSES)], log):
            wait_for_port(port, log)
            yield port


def pull_from(port: int, ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Every result over HTTP, by the compatible face."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    left = len(ids)
    while left:
        connection.request("POST", f"/pullCompleted?top={TOP}")
        pulled = json.loads(connection.getresponse().read())
        if not pulled:
            time.sleep(EMPTY_PULL_SECONDS)
        for item in pulled:
            yield item["id"], item["value"]
        left -= len(pulled)
    connection.close()


def single_puts(jobs: int, seed: int) -> float:
    """Jobs/s by the very load that the peers are put under."""
    with running() as port:
        return jobs_per_second(port, jobs, seed, lambda ids: pull_from(port, ids))


def submit_many(jobs: int, seed: int) -> float:
    """Jobs/s through the SDK, whole payloads sent."""
    from workmill import Client

    with running() as port, Client(f"http://127.0.0.1:{port}") as client:
        seconds = 0.0
        for count, salt in ((WARM_UP_JOBS, 1_000_000), (jobs, 0)):
            samples = made_samples(count, seed + salt)
            items = [(each.body, each.iterations) for each in samples]
            begin = time.perf_counter()
            ids = [handle.id for handle in client.submit_many(items)]
            check(ids, samples, pull_from(port, ids))
            seconds = time.perf_counter() - begin
        return jobs / seconds
