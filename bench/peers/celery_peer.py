"""Celery on Redis.

From its "Optimizing" and "Workers" guides: a large prefetch multiplier for many short tasks, two
prefork processes, no rate limits, and no gossip, mingling or heartbeats between workers, since
there is one. MessagePack carries the bytes as they are. Results are read in bulk.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from celery import Celery

from bench.peers.work import REDIS_URL, work
from bench.processes import WORKER_PROCESSES

WORKERS = [
    *[sys.executable, "-m", "celery", "-A", "bench.peers.celery_peer", "worker"],
    *["--pool", "prefork", "--concurrency", str(WORKER_PROCESSES), "--loglevel", "WARNING"],
    *["--without-gossip", "--without-mingle", "--without-heartbeat"],
]

app = Celery("bench", broker=REDIS_URL, backend=REDIS_URL)
app.conf.update(
    accept_content=["msgpack"],
    task_serializer="msgpack",
    result_serializer="msgpack",
    worker_prefetch_multiplier=128,
    worker_disable_rate_limits=True,
    broker_connection_retry_on_startup=True,
)
task = app.task(work, name="work")


async def enqueue(body: bytes, iterations: int) -> str:
    return str(task.delay(body, iterations).id)


def pull(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for task_id, outcome in app.backend.get_many(ids, timeout=300, interval=0.05):
        yield task_id, outcome["result"]
