"""Whom a grant wakes."""

from __future__ import annotations

import pytest

from workmill.domain.job import Lease, LeaseRequest
from workmill.endpoint.waiting_workers import may_leave_more

WANTED = LeaseRequest(
    worker="w", workloads=("sha512",), min_jobs=2, max_jobs=5, max_cost=30, lease_seconds=9.0
)


def granted(count: int, iterations: int, attempts: int = 1) -> list[Lease]:
    return [
        Lease(
            id=number.to_bytes(16, "big"),
            token=1,
            workload="sha512",
            total=1 + iterations,
            done=1,
            state=bytes(64),
            attempts=attempts,
        )
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("leases", "more"),
    [
        (granted(1, 1000), False),
        (granted(4, 7), False),
        (granted(2, 15), True),
        (granted(5, 1), True),
        (granted(1, 1, attempts=2), False),
        (granted(1, 1, attempts=3), True),
    ],
    ids=["lone", "unfilled", "cost reached", "count reached", "second try", "suspect alone"],
)
def test_the_next_worker_is_woken_only_for_what_may_be_left(
    leases: list[Lease], more: bool
) -> None:
    """A grant that emptied the queue costs no other idle worker a look at the store."""
    assert may_leave_more(leases, WANTED) is more
