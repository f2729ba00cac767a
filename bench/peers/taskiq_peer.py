"""Taskiq on Redis.

From its guide and that of taskiq-redis: two worker processes; the list broker, its lightest, which
does not acknowledge; its orjson serializer; no parsing of parameters that need none. Its messages
are made of JSON types before any serializer sees them, so the bytes travel as Base64. The task is
a coroutine, so that so short a one pays for no thread.
"""

from __future__ import annotations

import asyncio
import base64
import sys
from collections.abc import Iterator, Sequence

from taskiq import AsyncTaskiqTask
from taskiq.serializers import ORJSONSerializer
from taskiq_redis import ListQueueBroker, RedisAsyncResultBackend

from bench.peers.work import REDIS_URL, work
from bench.processes import WORKER_PROCESSES

WORKERS = [
    *[sys.executable, "-m", "taskiq", "worker", "bench.peers.taskiq_peer:broker"],
    *["--workers", str(WORKER_PROCESSES), "--no-parse", "--log-level", "WARNING"],
]
PULLS_AT_ONCE = 64

results = RedisAsyncResultBackend(redis_url=REDIS_URL, result_ex_time=3600)
broker = ListQueueBroker(url=REDIS_URL).with_result_backend(results)
broker = broker.with_serializer(ORJSONSerializer())


async def work_on_text(data: str, iterations: int) -> str:
    return work(base64.b64decode(data), iterations)


task = broker.task(work_on_text)


async def enqueue(body: bytes, iterations: int) -> str:
    return str((await task.kiq(base64.b64encode(body).decode(), iterations)).task_id)


async def _pull(ids: Sequence[str]) -> list[tuple[str, str]]:
    pulled: list[tuple[str, str]] = []
    for first in range(0, len(ids), PULLS_AT_ONCE):
        some = ids[first : first + PULLS_AT_ONCE]
        waits = [AsyncTaskiqTask(i, results).wait_result(check_interval=0.02) for i in some]
        outcomes = await asyncio.gather(*waits)
        pulled += [(i, outcome.return_value) for i, outcome in zip(some, outcomes, strict=True)]
    await results.shutdown()
    return pulled


def pull(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    yield from asyncio.run(_pull(ids))
