"""The verb `submit`: once per id, and never the same work twice."""

from __future__ import annotations

import msgspec
import pytest
from tests.contract.job_factory import new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import Acknowledgement, NewJob, Submitted
from workmill.domain.lifecycle import Status


def test_a_new_job_is_queued_as_it_was_sent(stand: Stand) -> None:
    """What was submitted is what is stored."""
    job = new_job("a", total=7, priority=3, tenant="t")
    assert stand.submit(job) == [Submitted(id=job.id, status=Status.QUEUED, done=1)]
    shown = stand.job(job)
    sent = (job.tenant, job.workload, job.key, job.total, job.done, job.state, job.priority)
    assert sent == (
        *(shown.tenant, shown.workload, shown.key),
        *(shown.total, shown.done, shown.state, shown.priority),
    )
    assert (shown.submitted_at_ms, shown.ended_at_ms) == (stand.clock.now_ms, None)


@pytest.mark.parametrize("size", [1, 31, 64, 65, 300, 5000])
def test_a_state_of_any_size_survives_the_whole_way(stand: Stand, size: int) -> None:
    """Workloads have states of their own size, with bytes of every kind in them."""
    states = [bytes((start + place) % 256 for place in range(size)) for start in range(0, 250, 60)]
    first, checkpoint, handed, value, _ = states
    new = msgspec.structs.replace(new_job("a", priority=-100), state=first)
    stand.submit(new)
    lease = stand.lease_one()
    assert lease.state == first
    stand.renew(lease, 10, checkpoint)
    assert stand.job(new).state == checkpoint
    stand.release(lease, 20, handed)
    lease = stand.lease_one()
    assert (lease.done, lease.state) == (20, handed)
    stand.complete(lease, value)
    assert [result.state for result in stand.pull(receipt_seconds=9).results] == [value]
    assert (stand.job(new).state, stand.job(new).priority) == (value, -100)


@pytest.mark.parametrize("name", ["a", "caf\u00e9 \u65e5\u672c", "x" * 200, "{w}*?[\\"])
def test_names_of_any_kind_come_back(stand: Stand, name: str) -> None:
    """Tenants, workloads and workers are called as they call themselves."""
    job = new_job("a", tenant=name, workload=name)
    stand.submit(job)
    lease = stand.lease(1, worker=name, workloads=[name])[0]
    shown = stand.job(job)
    assert (shown.tenant, shown.workload, shown.worker) == (name, name, name)
    assert lease.workload == name
    stand.complete(lease, b"x" * 64)
    assert [result.id for result in stand.pull(tenant=name).results] == [job.id]


def test_a_repeat_is_harmless(stand: Stand) -> None:
    """The same id with the same work answers with where the job stands now."""
    job = new_job("a")
    stand.submit(job)
    stand.finish(job, state_of("a", 100))
    (reply,) = stand.submit(job)
    assert (reply.created, reply.conflict, reply.status) == (False, False, Status.DONE)
    assert reply.state == state_of("a", 100)
    assert stand.stats().submitted_total == 1


def test_an_id_names_one_work_only(stand: Stand) -> None:
    """Other data, iterations, workload or tenant under a known id is a conflict."""
    job = new_job("a")
    stand.submit(job)
    others = [
        new_job("b", job_id=job.id),
        new_job("a", total=99, job_id=job.id),
        new_job("a", workload="other", job_id=job.id),
        new_job("a", tenant="other", job_id=job.id),
    ]
    assert [reply.conflict for reply in stand.submit(*others)] == [True] * 4
    assert stand.job(job).total == job.total
    assert stand.stats().submitted_total == 1


def test_one_batch_may_name_a_job_twice(stand: Stand) -> None:
    """Duplicates inside a batch are answered as if they had come one after the other."""
    job, other = new_job("a"), new_job("b")
    clash = new_job("c", job_id=job.id)
    replies = stand.submit(job, other, job, clash)
    assert [reply.created for reply in replies] == [True, True, False, False]
    assert [reply.conflict for reply in replies] == [False, False, False, True]
    assert stand.stats().submitted_total == 2


def test_a_large_batch_is_whole(stand: Stand) -> None:
    """Batches of every size arrive complete and in order."""
    sizes = [1, 2, 3, 7, 8, 9, 513, 1000]
    sent: list[NewJob] = []
    for size in sizes:
        batch = [new_job() for _ in range(size)]
        assert [reply.id for reply in stand.submit(*batch)] == [job.id for job in batch]
        sent += batch
    leased = stand.lease(1024) + stand.lease(1024)
    assert [lease.id for lease in leased] == [job.id for job in sent]


def test_work_that_is_only_the_fold_is_born_done(stand: Stand) -> None:
    """One iteration is done by the one who folds the data."""
    job = new_job("a", total=1)
    (reply,) = stand.submit(job)
    assert (reply.status, reply.state) == (Status.DONE, state_of("a", 1))
    assert [result.id for result in stand.pull().results] == [job.id]


def test_known_work_is_answered_at_once(stand: Stand) -> None:
    """The same work again is born done, and nobody computes it."""
    first, again = new_job("a"), new_job("a")
    stand.submit(first)
    stand.finish(first, state_of("a", 100))
    (reply,) = stand.submit(again)
    assert (reply.status, reply.state, reply.created) == (Status.DONE, state_of("a", 100), True)
    assert stand.lease() == []
    stats = stand.stats()
    assert (stats.known_hits_total, stats.iterations_saved_total) == (1, 99)
    assert (stats.iterations_done_total, stats.completed_total) == (99, 2)


def test_longer_work_starts_from_the_furthest_known_state(stand: Stand) -> None:
    """(x, 1M) after (x, 600k) has 400k left to compute; what lies beyond is of no use."""
    for total in (300, 600, 2000):
        shorter = new_job("x", total=total)
        stand.submit(shorter)
        stand.finish(shorter, state_of("x", total))
    longer = new_job("x", total=1000)
    assert stand.submit(longer)[0].done == 600
    lease = stand.lease_one()
    assert (lease.done, lease.state) == (600, state_of("x", 600))
    assert stand.stats().backlog_iterations == 400


def test_known_work_is_its_own_tenants_alone(stand: Stand) -> None:
    """A tenant cannot learn from the time of a reply what another one has computed."""
    mine, theirs = new_job("a"), new_job("a", tenant="other")
    stand.submit(mine)
    stand.finish(mine, state_of("a", 100))
    assert stand.submit(theirs)[0].status is Status.QUEUED


def test_known_work_survives_a_new_owner(stand: Stand) -> None:
    """What was known before the store was closed is known after."""
    job = new_job("a")
    stand.submit(job)
    stand.finish(job, state_of("a", 100))
    stand.reopen()
    assert stand.submit(new_job("a"))[0].status is Status.DONE


def test_a_group_that_fails_may_be_repeated(stand: Stand) -> None:
    """What it did is not known to anybody; the same ids again lead to one job each."""
    job = new_job("a")
    with pytest.raises((AttributeError, StoreUnavailable)), stand.store.group():
        stand.store.lease(stand.store.submit([job]))  # type: ignore[arg-type]
    stand.submit(job)
    assert stand.status(job) is Status.QUEUED
    assert stand.stats().submitted_total == 1
    assert [lease.id for lease in stand.lease()] == [job.id]


def test_a_receipt_from_nowhere_is_no_receipt(stand: Stand) -> None:
    """An acknowledgement of any shape delivers nothing that was not pulled."""
    job = new_job("a", total=1)
    stand.submit(job)
    with stand.store.group():
        counts = stand.store.acknowledge(
            [Acknowledgement(receipt=b""), Acknowledgement(receipt=b"x" * 16, ids=())]
        )
    assert counts == [0, 0]
    assert stand.status(job) is Status.DONE
