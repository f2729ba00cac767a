"""A store alone, fsync included: group commit, queue depth, bytes per job, pull.

Queue depth is measured on two stores in alternating rounds, one with a short queue and one with
a long one, each kept at its length: what differs is the depth alone.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from bench.report import Figure, Report
from bench.stores import Kind, Place, kind_of
from workmill.domain.job import (
    Completion,
    Lease,
    LeaseRequest,
    NewJob,
    PullRequest,
    Renewal,
    content_key,
)
from workmill.store.port import Store

BATCH = 500
SHORT_JOBS = 1000
ROUNDS = 40
GROUP_SIZES = (1, 10, 100, 1000)
GROUP_SECONDS = 1.0
_numbers = itertools.count()


def new_jobs(count: int, store: Store) -> list[NewJob]:
    """Jobs on data that nobody has seen before, named as an endpoint does it."""
    states = [hashlib.sha512(b"%d" % next(_numbers)).digest() for _ in range(count)]
    keys = [content_key("default", "sha512", state) for state in states]
    return [
        NewJob(
            id=store.new_id(key),
            workload="sha512",
            key=key,
            total=100_000,
            state=state,
            fresh=True,
        )
        for key, state in zip(keys, states, strict=True)
    ]


def seconds_of(act: Callable[[], object]) -> float:
    begin = time.perf_counter()
    act()
    return time.perf_counter() - begin


class Mill:
    """A store with the few verbs of a working day, each in a group."""

    def __init__(self, store: Store) -> None:
        self.store = store

    def submit(self, jobs: list[NewJob]) -> None:
        with self.store.group():
            self.store.submit(jobs)

    def fill(self, count: int) -> None:
        for _ in range(count // BATCH):
            self.submit(new_jobs(BATCH, self.store))

    def lease(self) -> list[Lease]:
        request = LeaseRequest(
            worker="bench",
            workloads=("sha512",),
            min_jobs=BATCH,
            max_jobs=BATCH,
            max_cost=0,
            lease_seconds=60,
        )
        with self.store.group():
            return self.store.lease(request)

    def renew(self, leases: list[Lease]) -> None:
        renewals = [
            Renewal(id=x.id, token=x.token, done=2, state=x.state, lease_seconds=60) for x in leases
        ]
        with self.store.group():
            self.store.renew(renewals)

    def complete(self, leases: list[Lease]) -> None:
        items = [Completion(id=x.id, token=x.token, state=x.state) for x in leases]
        with self.store.group():
            self.store.complete(items)

    def lease_and_complete(self) -> None:
        self.complete(self.lease())

    def pull_all(self) -> int:
        count = 0
        while True:
            with self.store.group():
                found = len(self.store.pull(PullRequest(top=1000)).results)
            if not found:
                return count
            count += found


@contextmanager
def place(kind: Kind, root: Path) -> Iterator[Place]:
    """A place for one store in a directory of its own."""
    made = Path(tempfile.mkdtemp(prefix="workmill-bench-", dir=root))
    try:
        with kind.place(made / "store") as opened:
            yield opened
    finally:
        shutil.rmtree(made)


def group_commit(kind: Kind, root: Path, report: Report) -> None:
    """Submits per second by how many share a commit."""
    with place(kind, root) as home:
        mill = Mill(home.open())
        alone = 0.0
        for size in GROUP_SIZES:
            spent: list[float] = []
            while sum(spent) < GROUP_SECONDS:
                jobs = new_jobs(size, mill.store)
                spent.append(seconds_of(partial(mill.submit, jobs)))
            rate = size / statistics.median(spent)
            alone = alone or rate
            report.figures.append(Figure(f"submit, {size} a group", rate, "jobs/s", rate / alone))
        mill.store.close()


def queue_depth(kind: Kind, root: Path, deep_jobs: int, report: Report) -> None:
    """Lease + complete on a short and on a long queue; then what a long one costs."""
    with place(kind, root) as near, place(kind, root) as far:
        short, deep = Mill(near.open()), Mill(far.open())
        short.fill(SHORT_JOBS)
        deep.fill(deep_jobs)
        deep.store.close()
        size = far.used_bytes()
        begin = time.perf_counter()
        deep = Mill(far.open())
        reopen = time.perf_counter() - begin
        spent: dict[str, list[float]] = {"short": [], "deep": []}
        for _ in range(ROUNDS):
            for name, mill in (("short", short), ("deep", deep)):
                spent[name].append(seconds_of(mill.lease_and_complete))
                mill.fill(BATCH)
        one, other = (statistics.median(spent[name]) for name in ("short", "deep"))
        depth = f"lease + complete, {deep_jobs:,} queued"
        report.figures += [
            Figure(f"lease + complete, {SHORT_JOBS:,} queued", BATCH / one, "jobs/s"),
            Figure(f"{depth} (ratio: time)", BATCH / other, "jobs/s", other / one),
            Figure(kind.used, size / deep_jobs, "bytes"),
            Figure(f"open with {deep_jobs:,} queued", reopen, "s"),
        ]
        short.store.close()
        deep.store.close()


def results(kind: Kind, root: Path, jobs: int, report: Report) -> None:
    """Renewals, and finished results pulled, per second."""
    with place(kind, root) as home:
        mill = Mill(home.open())
        mill.fill(jobs)
        renewing: list[float] = []
        for _ in range(jobs // BATCH):
            leases = mill.lease()
            renewing.append(seconds_of(partial(mill.renew, leases)))
            mill.complete(leases)
        begin = time.perf_counter()
        count = mill.pull_all()
        spent = time.perf_counter() - begin
        assert count == jobs
        report.figures.append(
            Figure(f"renew, {BATCH} a group", BATCH / statistics.median(renewing), "jobs/s")
        )
        report.figures.append(Figure("pull, 1000 a call", jobs / spent, "results/s"))
        mill.store.close()


def main() -> None:
    parser = argparse.ArgumentParser(prog="bench store", description=__doc__)
    parser.add_argument("--store", choices=["sqlite", "redis"], default="sqlite")
    parser.add_argument("--shards", type=int, default=1, help="of redis: so many servers")
    parser.add_argument("--jobs", type=int, default=1_000_000, help="the long queue (%(default)s)")
    parser.add_argument("--directory", type=Path, default=Path(), help="on the disk to measure")
    parser.add_argument("--json", type=Path, help="write the figures to this file too")
    asked = parser.parse_args()
    kind = kind_of(asked.store, asked.shards)
    report = Report("store", f"{kind.about}, batches of {BATCH}")
    group_commit(kind, asked.directory, report)
    results(kind, asked.directory, 40_000, report)
    queue_depth(kind, asked.directory, asked.jobs, report)
    report.show(asked.json)


if __name__ == "__main__":
    main()
