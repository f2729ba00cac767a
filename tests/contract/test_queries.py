"""The verbs `get`, `find`, `stats`, `beat` and `nodes`."""

from __future__ import annotations

import msgspec
import pytest
from tests.contract.job_factory import fresh_id, new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.job import Job, Load, Node, Query
from workmill.domain.lifecycle import Status
from workmill.domain.limits import MAX_NODES, NODE_SECONDS


def pages(stand: Stand, query: Query) -> list[list[Job]]:
    """All pages of a listing."""
    found, after = [], query.after
    while True:
        with stand.store.group():
            page = stand.store.find(
                Query(tenant=query.tenant, status=query.status, after=after, limit=query.limit)
            )
        found.append(page.jobs)
        after = page.next_after
        if after is None:
            return found


def test_get_answers_in_order_with_gaps(stand: Stand) -> None:
    """One answer for each id asked for, None where there is no job."""
    job, other = new_job(), new_job()
    stand.submit(job, other)
    with stand.store.group():
        found = stand.store.get([other.id, fresh_id(), job.id, other.id])
        assert stand.store.get([]) == []
    assert [one.id if one else None for one in found] == [other.id, None, job.id, other.id]


def test_a_listing_shows_each_job_once_newest_first(stand: Stand) -> None:
    """Page after page, whatever is submitted meanwhile."""
    jobs = [new_job() for _ in range(7)]
    stand.submit(*jobs)
    found = pages(stand, Query(limit=3))
    assert [len(page) for page in found] == [3, 3, 1]
    assert [job.id for page in found for job in page] == [job.id for job in reversed(jobs)]
    with stand.store.group():
        first = stand.store.find(Query(limit=3))
    stand.submit(new_job())
    rest = pages(stand, Query(limit=3, after=first.next_after))
    assert [job.id for page in rest for job in page] == [job.id for job in reversed(jobs[:4])]


def test_a_listing_of_exactly_one_page_ends_there(stand: Stand) -> None:
    """No empty page follows a full one."""
    stand.submit(*(new_job() for _ in range(3)))
    assert [len(page) for page in pages(stand, Query(limit=3))] == [3]


def test_a_listing_is_of_one_tenant_and_status(stand: Stand) -> None:
    """Others do not show."""
    mine, leased, theirs = new_job(), new_job(priority=1), new_job(tenant="other")
    stand.submit(mine, leased, theirs)
    stand.lease_one()
    assert [job.id for job in pages(stand, Query(status=Status.QUEUED))[0]] == [mine.id]
    assert [job.id for job in pages(stand, Query(tenant="other"))[0]] == [theirs.id]
    assert pages(stand, Query(tenant="nobody")) == [[]]


def test_stats_count_what_happened(stand: Stand) -> None:
    """Every counter, after one walk through the life of some jobs."""
    first, attached, failing, cancelled = jobs = [
        *(new_job("a"), new_job("a"), new_job(priority=-1), new_job(priority=-2))
    ]
    stand.submit(*jobs)
    stand.submit(*jobs)
    stand.clock.advance(1)
    stand.submit(late := new_job(priority=9, total=11))
    assert stand.stats().oldest_queued_at_ms == stand.clock.now_ms - 1000
    assert stand.stats().backlog_iterations == 3 * 99 + 10
    assert stand.lease_one().id == late.id
    stand.clock.advance(20)
    stand.finish(late, state_of(late.id.hex(), 11))
    stand.finish(first, state_of("a", 100))
    stand.fail(stand.lease_one(), retryable=False)
    stand.cancel(cancelled)
    stand.pull(1)
    stats = stand.stats()
    assert stats.jobs == {
        **dict.fromkeys(Status, 0),
        Status.DONE: 2,
        Status.DELIVERED: 1,
        Status.FAILED: 1,
        Status.CANCELLED: 1,
    }
    assert (stats.submitted_total, stats.completed_total, stats.failed_total) == (5, 3, 1)
    assert (stats.cancelled_total, stats.delivered_total, stats.attached_total) == (1, 1, 1)
    assert (stats.expired_leases_total, stats.known_jobs, stats.known_hits_total) == (1, 2, 0)
    assert (stats.iterations_done_total, stats.iterations_saved_total) == (99 + 10, 99)
    assert (stats.backlog_iterations, stats.oldest_queued_at_ms) == (0, None)
    assert stand.status(failing) is Status.FAILED
    assert stand.status(attached) is Status.DONE


def test_the_oldest_queued_job_may_be_of_any_priority(stand: Stand) -> None:
    """Whatever the priorities and workloads are, the age is that of the eldest."""
    for priority, workload in ((5, "b"), (-3, "a"), (0, "b"), (9, "c")):
        stand.submit(new_job(priority=priority, workload=workload))
        stand.clock.advance(1)
    assert stand.stats().oldest_queued_at_ms == stand.clock.now_ms - 4000
    stand.lease(workloads=["b"])
    assert stand.stats().oldest_queued_at_ms == stand.clock.now_ms - 3000


def test_stats_survive_a_new_owner(stand: Stand) -> None:
    """The counters are as durable as the jobs."""
    stand.submit(new_job(), new_job())
    stand.lease(1)
    before = stand.stats()
    stand.reopen()
    assert stand.stats() == before


def test_a_node_is_alive_as_long_as_it_beats(stand: Stand) -> None:
    """Nodes are known by their incarnation and the store's own clock."""
    node = Node(
        incarnation="i1",
        role="endpoint",
        host="h",
        pid=1,
        version="0",
        rate_hz=5.0,
        load=Load(cpu_cores=0.5, resident_bytes=2**40, loop_lag_seconds=0.25),
        serves="10.0.0.1:5000",
        leads=2**60,
    )
    with stand.store.group():
        stand.store.beat([node])
        (seen,) = stand.store.nodes()
    assert msgspec.structs.replace(node, seen_at_ms=stand.clock.now_ms) == seen
    stand.clock.advance(NODE_SECONDS - 1)
    with stand.store.group():
        stand.store.beat([Node(incarnation="i2", role="worker", host="h", pid=2, version="0")])
        assert [one.incarnation for one in stand.store.nodes()] == ["i1", "i2"]
    stand.clock.advance(2)
    with stand.store.group():
        assert [one.incarnation for one in stand.store.nodes()] == ["i2"]


def test_a_verb_outside_a_group_is_a_mistake(stand: Stand) -> None:
    """It would be durable at no known time."""
    with pytest.raises(RuntimeError):
        stand.store.stats()
    with pytest.raises(RuntimeError), stand.store.group(), stand.store.group():
        pass
    assert stand.stats().submitted_total == 0


def test_nodes_are_bounded(stand: Stand) -> None:
    """A flood of strangers pushes out who has been silent longest, and costs no more memory."""
    crowd = [
        Node(incarnation=f"i{number}", role="worker", host="h", pid=1, version="0")
        for number in range(MAX_NODES + 2)
    ]
    with stand.store.group():
        stand.store.beat(crowd[:2])
        stand.store.beat(crowd[:1])
        stand.store.beat(crowd[2:])
        names = {one.incarnation for one in stand.store.nodes()}
    assert len(names) == MAX_NODES
    assert not {"i0", "i1"} & names


@pytest.mark.parametrize("after", [0, 2**53 + 1, 10**18 - 1])
def test_a_cursor_that_no_page_gave_is_taken(stand: Stand, after: int) -> None:
    """A caller may send any number: it gets what lies below that, and never an error."""
    stand.submit(*(new_job() for _ in range(3)))
    with stand.store.group():
        page = stand.store.find(Query(after=after))
    assert len(page.jobs) == (3 if after else 0)
