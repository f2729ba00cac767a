"""Dramatiq on Redis.

From its guide and command line: one process per core and its default of eight threads each, which
prefetch two messages a thread; the Redis result backend, which it recommends. Its pickle encoder
carries the bytes as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import dramatiq
from dramatiq.brokers.redis import RedisBroker
from dramatiq.results import Results
from dramatiq.results.backends import RedisBackend

from bench.peers.work import REDIS_URL, work
from bench.processes import WORKER_PROCESSES

WORKERS = [
    *[sys.executable, "-m", "dramatiq", "bench.peers.dramatiq_peer"],
    *["--processes", str(WORKER_PROCESSES)],
]

encoder = dramatiq.PickleEncoder()
dramatiq.set_encoder(encoder)
results = RedisBackend(url=REDIS_URL, encoder=encoder)
broker = RedisBroker(url=REDIS_URL)
broker.add_middleware(Results(backend=results))
dramatiq.set_broker(broker)
actor = dramatiq.actor(work, store_results=True)


async def enqueue(body: bytes, iterations: int) -> str:
    return str(actor.send(body, iterations).message_id)


def pull(ids: Sequence[str]) -> Iterator[tuple[str, str]]:
    blank = actor.message(b"", 0)
    for message_id in ids:
        message = blank.copy(message_id=message_id)
        yield message_id, results.get_result(message, block=True, timeout=300_000)
