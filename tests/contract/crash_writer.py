"""A process that submits and completes for ever, and prints a line after each group: for tests
that kill it, or cut the power under it. Arguments: the directory, the first number."""

from __future__ import annotations

import sys
from pathlib import Path

import apsw

from workmill.domain.job import Completion, LeaseRequest, NewJob
from workmill.store.sqlite import SqliteStore

BATCH = 10


def new_job(number: int) -> NewJob:
    raw = number.to_bytes(16, "big")
    return NewJob(id=raw, workload="sha512", key=raw * 2, total=100, state=raw * 4)


def tell(verb: str, numbers: list[int]) -> None:
    sys.stdout.write(f"{verb} {' '.join(map(str, numbers))}\n")
    sys.stdout.flush()


def main(folder: Path, number: int, synchronous: str = "FULL") -> None:
    store = SqliteStore(folder)
    connection: apsw.Connection = store._session.connection
    connection.execute(f"PRAGMA synchronous = {synchronous}")
    request = LeaseRequest(
        worker="w", workloads=("sha512",), min_jobs=5, max_jobs=5, max_cost=0, lease_seconds=60
    )
    while True:
        batch = list(range(number, number + BATCH))
        with store.group():
            store.submit([new_job(one) for one in batch])
        tell("submitted", batch)
        with store.group():
            leases = store.lease(request)
            store.complete([Completion(id=x.id, token=x.token, state=x.state) for x in leases])
        tell("completed", [int.from_bytes(lease.id, "big") for lease in leases])
        number += BATCH


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
