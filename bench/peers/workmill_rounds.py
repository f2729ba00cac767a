"""One timed round of Workmill: by single PUTs, or whole payloads through `submit_many`."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager

from bench.data import ITERATIONS, check, made_samples
from bench.mill import pull_from, running
from bench.peers.round import WARM_UP_JOBS, jobs_per_second
from bench.processes import redis_server
from workmill import Client


@contextmanager
def _mill(on_redis: bool) -> Iterator[int]:
    """Workmill over its embedded store, or over a durable Redis."""
    with ExitStack() as stack:
        store = stack.enter_context(redis_server(durable=True)) if on_redis else None
        yield stack.enter_context(running(store))


def single_puts(jobs: int, seed: int, *, on_redis: bool) -> float:
    """Jobs/s by the very load that the peers are put under."""
    with _mill(on_redis) as port:
        return jobs_per_second(port, jobs, seed, lambda ids: pull_from(port, len(ids)))


def submit_many(jobs: int, seed: int, *, on_redis: bool) -> float:
    """Jobs/s through the SDK, whole payloads sent; results are pulled while others still leave.

    Nothing is gained so for the peers: they keep both cores busy from the first job on.
    """
    with _mill(on_redis) as port, Client(f"http://127.0.0.1:{port}") as client:
        seconds = 0.0
        for count, salt in ((WARM_UP_JOBS, 1_000_000), (jobs, 0)):
            samples = made_samples(count, seed + salt)
            bodies = [each.body for each in samples]
            with ThreadPoolExecutor(1) as other:
                begin = time.perf_counter()
                pulled = other.submit(lambda count: list(pull_from(port, count)), count)
                ids = [handle.id for handle in client.submit_many(bodies, ITERATIONS)]
                check(ids, samples, pulled.result())
            seconds = time.perf_counter() - begin
        return jobs / seconds
