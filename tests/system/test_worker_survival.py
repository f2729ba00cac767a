"""Workers and endpoints die, stop and come back; the work goes on. Real processes, real store."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from tests.system.processes import until
from tests.system.roles import Mill, running_mill
from tests.system.service_definition import advanced

from workmill.client.sync_client import Handle
from workmill.domain.retry import MAX_ATTEMPTS

ENDLESS = 10**9


@pytest.fixture
def mill(tmp_path: Path) -> Iterator[Mill]:
    with running_mill(tmp_path) as running:
        yield running


def tally(data: bytes, iterations: int) -> bytes:
    """The value of a `tally` job, by its definition."""
    return data[:8].ljust(8, b"\0") + iterations.to_bytes(8, "big")


def slow(mill: Mill, number: int, iterations: int) -> Handle:
    """Submit a job that takes a millisecond for each iteration."""
    return mill.client.submit(b"slow%d" % number, iterations, workload="tally")


def checkpoint_of(handle: Handle) -> int:
    """How far the store knows a job to be; 0 until that is more than its start."""
    done = handle.progress().done
    return done if done > 1 else 0


def test_a_killed_worker_costs_no_more_than_the_time_since_its_checkpoint(mill: Mill) -> None:
    """kill -9: another worker finishes the job, and computes nothing that was stored again."""
    total = 1500
    handle = slow(mill, 1, total)
    first = mill.start_worker()
    stored = until(lambda: checkpoint_of(handle))
    first.kill()
    by_first = mill.computed()
    mill.start_worker()
    assert handle.result(60) == tally(b"slow1", total)
    again = mill.computed() - (total - 1)
    assert 0 <= again <= by_first - (stored - 1)


def test_a_drained_worker_hands_back_what_it_has_and_burns_no_attempt(mill: Mill) -> None:
    """SIGTERM: it ends in order, and every job is queued again with its progress."""
    handles = [slow(mill, number, ENDLESS) for number in range(3)]
    worker = mill.start_worker()
    seen = [until(partial(checkpoint_of, one)) for one in handles]
    assert worker.end(signal.SIGTERM) == 0
    for handle, stored in zip(handles, seen, strict=True):
        view = mill.client.job(handle.id)
        assert (view.status, view.attempts) == ("queued", 0)
        assert view.done >= stored
    assert '"worker.drained"' in worker.log.read_text()


def test_work_goes_on_over_the_death_of_the_endpoint(mill: Mill) -> None:
    """kill -9 of the endpoint, restart on its data: all that was acknowledged is finished."""
    data = [b"job %d" % number for number in range(200)]
    long = slow(mill, 1, 1000)
    handles = list(mill.client.submit_many(data, 500))
    worker = mill.start_worker()
    until(lambda: checkpoint_of(long))
    mill.endpoint.kill()
    until(lambda: '"worker.endpoint_lost"' in worker.log.read_text())
    mill.start_endpoint()
    assert long.result(60) == tally(b"slow1", 1000)
    assert mill.client.wait_all(handles, 60) == [advanced(each, 500) for each in data]
    assert worker.alive


def test_a_cancelled_job_leaves_the_worker(mill: Mill) -> None:
    """The next heartbeat tells the worker that its lease is gone, and it takes up other work."""
    endless = [slow(mill, number, ENDLESS) for number in range(4)]
    mill.start_worker()
    until(lambda: [checkpoint_of(one) for one in endless])
    other = slow(mill, 9, 50)
    for one in endless:
        one.cancel()
    assert other.result(60) == tally(b"slow9", 50)
    until(lambda: [node.leased for node in mill.client.nodes() if node.role == "worker"] == [0])


def test_a_worker_that_slept_past_its_leases_changes_nothing(mill: Mill) -> None:
    """SIGSTOP, then SIGCONT after another worker has the jobs: one result each, the right one."""
    handles = [slow(mill, number, 1500) for number in range(4)]
    sleeper = mill.start_worker()
    for handle in handles:
        until(partial(checkpoint_of, handle))
    sleeper.signal(signal.SIGSTOP)
    mill.start_worker()
    until(lambda: mill.client.stats().stats.expired_leases_total >= len(handles))
    sleeper.signal(signal.SIGCONT)
    until(lambda: '"worker.leases_lost"' in sleeper.log.read_text())
    values = [tally(b"slow%d" % number, 1500) for number in range(4)]
    assert mill.client.wait_all(handles, 60) == values
    pulled = {result.id: result.value for result in mill.client.results()}
    assert pulled == dict(zip([handle.id for handle in handles], values, strict=True))


def test_a_job_that_kills_workers_is_buried_and_its_neighbours_finish(mill: Mill) -> None:
    """A poison job is given up after its attempts, with the cause; nobody else is failed."""
    neighbours = [b"n%d" % number for number in range(40)]
    handles = list(mill.client.submit_many(neighbours[:20], 100, workload="tally"))
    poison = mill.client.submit(b"segv", 100, workload="tally")
    handles += mill.client.submit_many(neighbours[20:], 100, workload="tally")
    mill.start_worker()
    values = mill.client.wait_all(handles, 60)
    assert values == [tally(each, 100) for each in neighbours]
    until(lambda: mill.client.job(poison.id).status == "failed")
    view = mill.client.job(poison.id)
    assert view.attempts == MAX_ATTEMPTS
    assert "SIGSEGV" in str(view.reason)


def test_a_strangers_workload_runs_end_to_end(mill: Mill) -> None:
    """Installed under the entry-point group and nothing else: submitted, computed and pulled."""
    mill.start_worker()
    handle = mill.client.submit(b"anything", 12345, workload="tally")
    pulled = until(lambda: list(mill.client.results()))
    assert [(one.id, one.value) for one in pulled] == [(handle.id, tally(b"anything", 12345))]
