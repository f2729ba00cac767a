"""A process that races others for the same jobs, and tells what it got.

Arguments: a way to a store, and how many jobs. It says "ready", waits for a line, then submits all
of them in an order of its own, leases, completes and pulls until all are delivered, and prints
one line of JSON. The way is `redis URL TAGS`, straight to the store, or `http URL`, through an
endpoint.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from tests.contract.job_factory import new_job
from tests.redis_servers import link_to

from workmill import Client
from workmill.client import Work
from workmill.client.sync_transport import Transport
from workmill.client.worker_client import WorkClient
from workmill.domain.ids import id_text, parse_id
from workmill.domain.job import (
    Acknowledgement,
    Completion,
    Lease,
    LeaseRequest,
    PullRequest,
    Verdict,
)
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.link_port import Link
from workmill.store.redis.shard_store import PartStore
from workmill.store.sharded.open_shards import open_parts
from workmill.store.sharded.shard import Opened

BATCH = 7
SHARED = 3
"""As many ids have the same content, so that submits race for who leads."""
RECEIPT_SECONDS = 600.0
WANTED = LeaseRequest(
    worker=f"racer {os.getpid()}",
    workloads=("sha512",),
    min_jobs=BATCH,
    max_jobs=BATCH,
    max_cost=0,
    lease_seconds=600,
)


def id_of(number: int) -> bytes:
    return number.to_bytes(16, "big")


class Way(Protocol):
    """The verbs of a race, each a group of its own."""

    def submit(self, numbers: Sequence[int]) -> None: ...
    def lease(self) -> list[Lease]: ...
    def complete(self, items: list[Completion]) -> list[Verdict]: ...
    def pull(self) -> list[bytes]:
        """The ids of some results; their receipt is acknowledged."""
        ...

    def delivered(self) -> int: ...


def opened(url: str, tags: str) -> Store:
    """A Redis under one tag, or a store whose parts lie under several, parted by commas."""
    connects = [partial(link_to, url, tag) for tag in tags.split(",")]
    if len(connects) == 1:
        return RedisStore(connects[0])
    return open_parts([(tags, partial(_part, connect)) for connect in connects])


def _part(connect: Callable[[], Link]) -> Opened:
    part = PartStore(connect)
    return Opened(part, part)


class StoreWay:
    """Straight to a Redis, or to several parts."""

    def __init__(self, url: str, tags: str) -> None:
        self.store = opened(url, tags)
        self.at_once = False

    def submit(self, numbers: Sequence[int]) -> None:
        jobs = [new_job(str(one // SHARED), job_id=id_of(one)) for one in numbers]
        with self.store.group():
            self.store.submit(jobs)

    def lease(self) -> list[Lease]:
        with self.store.group():
            return self.store.lease(WANTED)

    def complete(self, items: list[Completion]) -> list[Verdict]:
        with self.store.group():
            return self.store.complete(items)

    def pull(self) -> list[bytes]:
        self.at_once = not self.at_once
        seconds = None if self.at_once else RECEIPT_SECONDS
        with self.store.group():
            pulled = self.store.pull(PullRequest(top=BATCH, receipt_seconds=seconds))
        if pulled.receipt:
            with self.store.group():
                self.store.acknowledge([Acknowledgement(receipt=pulled.receipt)])
        return [result.id for result in pulled.results]

    def delivered(self) -> int:
        with self.store.group():
            return self.store.stats().delivered_total


class HttpWay:
    """Through an endpoint, whatever store it has."""

    def __init__(self, url: str) -> None:
        self.client = Client(url)
        self.worker = WorkClient(Transport(url))

    def submit(self, numbers: Sequence[int]) -> None:
        works = [Work(b"%d" % (one // SHARED), 100, id_text(id_of(one))) for one in numbers]
        list(self.client.submit_many(works))

    def lease(self) -> list[Lease]:
        return self.worker.lease(WANTED, 0.0)

    def complete(self, items: list[Completion]) -> list[Verdict]:
        return self.worker.complete(items)

    def pull(self) -> list[bytes]:
        batch = self.client.pull(BATCH, receipt_seconds=RECEIPT_SECONDS)
        self.client.acknowledge(batch)
        return [parse_id(result.id) for result in batch]

    def delivered(self) -> int:
        return self.client.stats().stats.delivered_total


def race(way: Way, jobs: int) -> dict[str, list[str] | int]:
    """Everything that this contestant had."""
    leased, pulled, refused = list[str](), list[str](), 0
    numbers = list(range(jobs))
    random.shuffle(numbers)
    while numbers or way.delivered() < jobs:
        way.submit(numbers[:BATCH])
        del numbers[:BATCH]
        leases = way.lease()
        leased += [lease.id.hex() for lease in leases]
        verdicts = way.complete(
            [Completion(id=one.id, token=one.token, state=b"r" * 64) for one in leases]
        )
        refused += sum(verdict is not Verdict.APPLIED for verdict in verdicts)
        pulled += [job_id.hex() for job_id in way.pull()]
    return {"leased": leased, "pulled": pulled, "refused": refused}


def main(kind: str, *rest: str) -> None:
    *words, jobs = rest
    way: Way = StoreWay(*words) if kind == "redis" else HttpWay(*words)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write(json.dumps(race(way, int(jobs))) + "\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
