"""Huey on Redis.

From its consumer guide: process workers for CPU-bound work, the blocking pop of RedisHuey, which
it prefers to polling, and no periodic tasks. It pickles by itself.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from huey import RedisHuey

from bench.peers.work import REDIS_URL, work
from bench.processes import WORKER_PROCESSES

WORKERS = [
    *[sys.executable, "-m", "huey.bin.huey_consumer", "bench.peers.huey_peer.huey"],
    *["--worker-type", "process", "--workers", str(WORKER_PROCESSES)],
    *["--no-periodic", "--quiet"],
]

huey = RedisHuey("bench", url=REDIS_URL)
task = huey.task()(work)


async def enqueue(body: bytes, iterations: int) -> str:
    return str(task(body, iterations).id)


def pull(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    for task_id in ids:
        yield task_id, huey.result(task_id, blocking=True, timeout=300, max_delay=0.05)
