"""Leases that were granted to nobody: the group in which they were was not confirmed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand
from tests.redis_servers import client_of, folder, link_to, redis_on_socket

from workmill.domain.clock import Clock
from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import LeaseRequest, Verdict
from workmill.domain.lifecycle import Status
from workmill.domain.retry import MAX_ATTEMPTS
from workmill.store.redis import RedisStore
from workmill.store.redis.primary_link import RedisLink
from workmill.store.retention import Bounds

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
def url() -> Iterator[str]:
    with folder() as directory, redis_on_socket(directory) as made:
        yield made


@pytest.fixture
def link(url: str) -> Doubtful:
    made: Any = link_to(url, TAG)
    made.__class__ = Doubtful
    return cast(Doubtful, made)


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


def _group_between(stand: Stand, kind: str) -> None:
    with stand.store.group():
        if kind == "stats":
            stand.store.stats()
        else:
            stand.store.beat([])


@pytest.mark.parametrize("between", ["stats", "beat"])
@pytest.mark.parametrize("lost", ["confirmation", "answer"])
def test_what_is_confirmed_later_does_not_stand_for_a_lease(
    stand: Stand, link: Doubtful, lost: str, between: str
) -> None:
    """An endpoint beats and reads figures all the time: a group of these that went well says
    nothing of the leases of the one before."""
    stand.submit(new_job())
    for _ in range(2 * MAX_ATTEMPTS):
        link.silent, link.lost = lost == "confirmation", lost
        with pytest.raises(StoreUnavailable):
            stand.lease(1)
        link.silent, link.lost = False, ""
        _group_between(stand, between)
        stand.clock.advance(10)
    assert stand.lease_one().attempts == 1
    assert stand.stats().expired_leases_total == 0


def test_a_lease_that_was_heard_stays_after_groups_without_one(
    stand: Stand, link: Doubtful
) -> None:
    """Whether these were confirmed or not."""
    stand.submit(*(new_job() for _ in range(3)))
    (held,) = stand.lease(1)
    _group_between(stand, "stats")
    link.silent = True
    with pytest.raises(StoreUnavailable):
        _group_between(stand, "stats")
    link.silent = False
    stand.lease(1)
    assert stand.status(held) is Status.LEASED


def test_all_leases_of_one_group_are_handed_back(stand: Stand, link: Doubtful, url: str) -> None:
    """A group may have many: each adds to what was noted, and costs no more than the one before."""
    stand.submit(*(new_job() for _ in range(20)))
    request = LeaseRequest(
        worker="w", workloads=("sha512",), min_jobs=1, max_jobs=1, max_cost=0, lease_seconds=15
    )
    link.silent = True
    with pytest.raises(StoreUnavailable), stand.store.group():
        assert [len(stand.store.lease(request)) for _ in range(15)] == [1] * 15
    link.silent = False
    with client_of(url) as client:
        (note,) = client.keys(f"{TAG}ag*")
        assert [len(entry) for entry in client.lrange(note, 1, -1)] == [11] * 15
        assert client.pttl(note) > 0
        leases = stand.lease(20)
        assert [lease.attempts for lease in leases] == [1] * 20
        assert [len(entry) for entry in client.lrange(note, 1, -1)] == [220]
        assert client.pttl(note) > 0
        assert stand.lease(20) == []
        assert client.exists(note) == 0
    assert {stand.status(lease) for lease in leases} == {Status.LEASED}
