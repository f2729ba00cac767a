"""Leases that were granted to nobody: the group in which they were was not confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.contract.making import new_job, state_of
from tests.contract.stand import Stand
from tests.redis_servers import folder, link_to, redis_on_socket

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status
from workmill.domain.retry import MAX_ATTEMPTS
from workmill.store.bounds import Bounds
from workmill.store.redis import RedisStore
from workmill.store.redis.link import RedisLink

TAG = "{unheard}"


class Doubtful(RedisLink):
    """A primary that does everything, and replicas that do not say so; or whose answers, or the
    very calls, are lost."""

    silent = False
    lost = ""

    def call(self, function: str, payload: bytes, *, writes: bool) -> Any:
        """See `Link.call`."""
        if self.lost == "call" and writes:
            raise StoreUnavailable("it was not sent")
        answer = super().call(function, payload, writes=writes)
        if self.lost == "answer" and writes:
            raise StoreUnavailable("it did not answer")
        return answer

    def confirm(self) -> None:
        """See `Link.confirm`."""
        super().confirm()
        if self.silent:
            raise StoreUnavailable("no replica has said that it has it")


@pytest.fixture
def link() -> Iterator[Doubtful]:
    with folder() as directory, redis_on_socket(directory) as url:
        made: Any = link_to(url, TAG)
        made.__class__ = Doubtful
        yield made


@pytest.fixture
def stand(link: Doubtful, tmp_path: Path) -> Iterator[Stand]:
    def opened(_: Path, clock: Clock, __: Bounds | None = None, /) -> RedisStore:
        return RedisStore(lambda: link, clock=clock)

    made = Stand(opened, tmp_path)
    yield made
    link.silent = False
    made.store.close()


@pytest.mark.parametrize("lost", ["confirmation", "answer"])
def test_a_job_is_not_charged_with_leases_that_nobody_got(
    stand: Stand, link: Doubtful, lost: str
) -> None:
    """While nothing is heard workers go on to ask. No job is buried by it, nor a suspect."""
    job = new_job()
    stand.submit(job)
    link.silent, link.lost = lost == "confirmation", lost
    for _ in range(2 * MAX_ATTEMPTS):
        with pytest.raises(StoreUnavailable):
            stand.lease(1)
        stand.clock.advance(10)
    link.silent, link.lost = False, ""
    lease = stand.lease_one()
    assert lease.attempts == 1
    assert stand.stats().expired_leases_total == 0
    assert stand.complete(lease, state_of("any", 1)) is Verdict.APPLIED


@pytest.mark.parametrize("lost", ["confirmation", "answer", "call"])
def test_a_lease_that_was_heard_is_left_alone(stand: Stand, link: Doubtful, lost: str) -> None:
    """A later group that is not confirmed takes nothing from those who have their leases."""
    jobs = [new_job() for _ in range(4)]
    stand.submit(*jobs)
    held = stand.lease(2)
    link.silent, link.lost = lost == "confirmation", lost
    with pytest.raises(StoreUnavailable):
        stand.lease(2)
    link.silent, link.lost = False, ""
    assert [lease.id for lease in stand.lease(4)] == [job.id for job in jobs[2:]]
    assert [stand.status(lease) for lease in held] == [Status.LEASED] * 2
    assert {stand.complete(lease, state_of("any", 1)) for lease in held} == {Verdict.APPLIED}
