"""RQ.

From its notes on performance: SimpleWorker, which does not fork for each job, where jobs last only
milliseconds; two of them from its worker pool. It pickles by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from redis import Redis
from rq import Queue
from rq.job import Job

from bench.peers.work import REDIS_URL, work
from bench.processes import WORKER_PROCESSES

WORKERS = [
    *[sys.executable, "-m", "rq.cli", "worker-pool"],
    *["--num-workers", str(WORKER_PROCESSES), "--worker-class", "rq.worker.SimpleWorker"],
    *["--logging-level", "WARNING", "default"],
]

connection = Redis.from_url(REDIS_URL)
queue = Queue("default", connection=connection)


async def enqueue(body: bytes, iterations: int) -> str:
    return str(queue.enqueue(work, body, iterations).id)


def pull(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for job_id in ids:
        outcome = Job(job_id, connection=connection).latest_result(timeout=300)
        yield job_id, outcome.return_value
