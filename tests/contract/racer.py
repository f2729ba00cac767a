"""A process that races others for the same jobs on one store, and tells what it got.

Arguments: the server's URL, the store's tags parted by commas (several are the parts of one store),
how many jobs. It says "ready", waits for a line,
then submits all of them in an order of its own, leases, completes and pulls until all are
delivered, and prints one line of JSON.
"""

from __future__ import annotations

import json
import os
import random
import sys
from collections.abc import Callable
from functools import partial

from tests.contract.making import new_job

from workmill.domain.job import (
    Acknowledgement,
    Completion,
    LeaseRequest,
    NewJob,
    PullRequest,
)
from workmill.store.port import Store
from workmill.store.redis import RedisStore
from workmill.store.redis.addresses import parse_address
from workmill.store.redis.library import load
from workmill.store.redis.link import RedisLink
from workmill.store.redis.part import PartStore
from workmill.store.sharded.opening import open_parts
from workmill.store.sharded.part import Opened

BATCH = 7
SHARED = 3
"""As many ids have the same content, so that submits race for who leads."""


def job(number: int) -> NewJob:
    return new_job(str(number // SHARED), job_id=number.to_bytes(16, "big"))


class Racer:
    """One contestant: every verb is a group of its own, as an endpoint at rest would do it."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.created: list[str] = []
        self.leased: list[str] = []
        self.refused = 0
        self.pulled: list[str] = []

    def submit(self, numbers: list[int]) -> None:
        with self.store.group():
            replies = self.store.submit([job(number) for number in numbers])
        self.created += [reply.id.hex() for reply in replies if reply.created]

    def work(self) -> None:
        request = LeaseRequest(
            worker=str(os.getpid()),
            workloads=("sha512",),
            min_jobs=BATCH,
            max_jobs=BATCH,
            max_cost=0,
            lease_seconds=600,
        )
        with self.store.group():
            leases = self.store.lease(request)
        self.leased += [lease.id.hex() for lease in leases]
        items = [Completion(id=one.id, token=one.token, state=b"r" * 64) for one in leases]
        with self.store.group():
            verdicts = self.store.complete(items)
        self.refused += sum(verdict != "applied" for verdict in verdicts)

    def pull(self, *, receipt: bool) -> None:
        request = PullRequest(top=BATCH, receipt_seconds=600 if receipt else None)
        with self.store.group():
            pulled = self.store.pull(request)
        self.pulled += [result.id.hex() for result in pulled.results]
        if pulled.receipt:
            with self.store.group():
                self.store.acknowledge([Acknowledgement(receipt=pulled.receipt)])

    def over(self, jobs: int) -> bool:
        with self.store.group():
            return self.store.stats().delivered_total >= jobs


def open_tags(url: str, tags: str) -> Store:
    connects = [
        partial(RedisLink, parse_address(url), tag, prepare=load) for tag in tags.split(",")
    ]
    if len(connects) == 1:
        return RedisStore(connects[0])
    return open_parts([(tags, partial(_opened, connect)) for connect in connects])


def _opened(connect: Callable[[], RedisLink]) -> Opened:
    part = PartStore(connect)
    return Opened(part, part)


def main(url: str, tags: str, jobs: int) -> None:
    racer = Racer(open_tags(url, tags))
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    numbers = list(range(jobs))
    random.shuffle(numbers)
    while numbers or not racer.over(jobs):
        racer.submit(numbers[:BATCH])
        del numbers[:BATCH]
        racer.work()
        racer.pull(receipt=len(numbers) % 2 == 0)
    told = {name: value for name, value in vars(racer).items() if name != "store"}
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
