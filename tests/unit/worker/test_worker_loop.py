"""A whole worker with a real child, at a desk in place of an endpoint."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

import psutil
import pytest
from tests.system.processes import until
from tests.unit.worker.conftest import Desk, Gates, Running, lease_of

from workmill.domain.errors import EndpointUnreachable, NotAuthorized
from workmill.domain.job import Lease

Start = Callable[..., Running]

ENDLESS = 10**9
"""Iterations of a slow job that no test outlives."""


def value_of(lease: Lease) -> bytes:
    return lease.state[:8] + lease.total.to_bytes(8, "big")


def test_jobs_of_every_length_are_computed(desk: Desk, start: Start) -> None:
    """Short and long ones share the lanes, and each value is that of its own count."""
    leases = [lease_of(b"j%d" % number, 1 + number**3) for number in range(300)]
    desk.put(*leases)
    start()
    desk.wait_for(lambda: len(desk.completed) == len(leases))
    assert desk.completed == {lease.id: value_of(lease) for lease in leases}
    assert desk.failed == {}


def test_it_asks_for_what_it_can_compute_under_its_own_name(desk: Desk, start: Start) -> None:
    """The first request fills the lanes, and names the workloads that the child found."""
    start()
    desk.wait_for(lambda: desk.requests and desk.nodes)
    assert "tally" in desk.requests[0].workloads
    assert desk.requests[0].min_jobs >= 1
    assert (desk.nodes[0].role, desk.nodes[0].pid) == ("worker", os.getpid())


def test_it_beats_with_its_speed_while_it_works(desk: Desk, start: Start) -> None:
    """The controller learns rate, lanes and leases from every turn of the heartbeat."""
    desk.put(lease_of(b"slow", ENDLESS))
    start()
    desk.wait_for(lambda: any(node.rate_hz > 0 and node.leased == 1 for node in desk.nodes))
    assert desk.nodes[-1].slots == 4


def test_it_beats_with_what_it_and_its_child_use(desk: Desk, start: Start) -> None:
    """A beat tells of the memory of both, however slow their start is, and of the machine's."""
    desk.put(lease_of(b"slow", ENDLESS))
    running = start()
    desk.wait_for(lambda: desk.renewed)
    child = psutil.Process(running.worker.computing.lanes.pid).memory_info().rss
    desk.wait_for(
        lambda: desk.nodes[-1].load.resident_bytes > psutil.Process().memory_info().rss + child // 2
    )
    assert any(node.load.cpu_cores > 0 for node in desk.nodes)
    assert 0 < desk.nodes[-1].load.memory_fraction <= 1


def test_its_last_word_is_that_it_drains(desk: Desk, start: Start) -> None:
    """Then its silence is that of one who has left, however long it is until the next turn."""
    running = start(checkpoint_seconds=1000.0)
    desk.wait_for(lambda: desk.nodes)
    running.stop()
    assert [node.draining for node in desk.nodes] == [False, True]


def test_checkpoints_move_on_with_the_work(desk: Desk, start: Start) -> None:
    """Each renewal carries how far the job is, with the state that belongs to it."""
    desk.put(lease_of(b"slow", ENDLESS))
    start()
    desk.wait_for(lambda: len({renewal.done for renewal in desk.renewed}) >= 3)
    assert [one.done for one in desk.renewed] == sorted(one.done for one in desk.renewed)
    assert all(int.from_bytes(one.state[8:], "big") == one.done for one in desk.renewed)


def test_computing_that_holds_the_interpreter_does_not_hold_up_renewals(
    desk: Desk, start: Start, gates: Gates
) -> None:
    """While a workload lets no other Python thread of its process run, leases are renewed."""
    desk.put(lease_of(b"gil", 2))
    start()
    gates.wait_until_reached()
    seen = len(desk.renewed)
    desk.wait_for(lambda: len(desk.renewed) >= seen + 3)
    assert desk.completed == {}
    gates.open()
    desk.wait_for(lambda: desk.completed)


@pytest.mark.parametrize(
    ("instruction", "reason"),
    [(b"kill", "SIGKILL"), (b"segv", "SIGSEGV"), (b"raise", "ValueError: this one cannot")],
)
def test_a_poison_job_is_found_and_its_neighbours_finish(
    desk: Desk, start: Start, instruction: bytes, reason: str
) -> None:
    """Whatever a job does to the child, it alone is failed, with the cause."""
    neighbours = [lease_of(b"j%d" % number, 1000) for number in range(20)]
    poison = lease_of(instruction, 1000)
    desk.put(*neighbours[:10], poison, *neighbours[10:])
    start()
    desk.wait_for(lambda: desk.failed and len(desk.completed) == len(neighbours))
    assert desk.completed == {lease.id: value_of(lease) for lease in neighbours}
    assert list(desk.failed) == [poison.id]
    assert reason in desk.failed[poison.id]


def test_a_child_killed_by_a_stranger_costs_nobody_a_failure(desk: Desk, start: Start) -> None:
    """The OOM killer takes the child once: everything finishes, nothing is failed."""
    running = start()
    desk.put(*(lease_of(b"slow%d" % number, 300) for number in range(4)))
    desk.wait_for(lambda: any(renewal.done > 1 for renewal in desk.renewed))
    assert running.worker.computing.lanes.pid is not None
    os.kill(running.worker.computing.lanes.pid, signal.SIGKILL)
    desk.wait_for(lambda: len(desk.completed) == 4)
    assert desk.failed == {}


def test_a_machine_that_ends_every_child_has_no_job_failed(
    desk: Desk, start: Start, gates: Gates
) -> None:
    """The OOM killer takes the child of a job among others, then alone, and then the next child,
    which has nothing to do: that is no proof against the job, which gets on once it is let."""
    desk.put(lease_of(b"gil", 2))
    lanes = start().worker.computing.lanes
    for _ in range(2):
        gates.wait_until_reached()
        ended = lanes.pid
        assert ended is not None
        os.kill(ended, signal.SIGKILL)
    until(lambda: lanes.pid != ended)
    assert lanes.pid is not None
    os.kill(lanes.pid, signal.SIGKILL)
    gates.wait_until_reached()
    gates.open()
    desk.wait_for(lambda: desk.completed)
    assert desk.failed == {}


def test_a_job_that_hangs_is_ended_and_failed(
    desk: Desk, start: Start, gates: Gates, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Silence far beyond what was predicted is treated like a crash."""
    monkeypatch.setattr("workmill.worker.slice_scheduler.HANG_SECONDS", 3.0)
    monkeypatch.setattr("workmill.worker.slice_scheduler.HANG_FACTOR", 0.0)
    neighbour, hanging = lease_of(b"fine", 9), lease_of(b"gil", 2)
    desk.put(neighbour, hanging)
    start()
    gates.wait_until_reached()
    gates.wait_until_reached()
    desk.wait_for(lambda: desk.failed and desk.completed)
    assert list(desk.completed) == [neighbour.id]
    assert "no sign of life" in desk.failed[hanging.id]


def test_a_job_whose_lease_is_lost_is_dropped(desk: Desk, start: Start) -> None:
    """Told that its token is stale, the worker says no more about the job, not even at the end."""
    lost, kept = lease_of(b"slow1", ENDLESS), lease_of(b"slow2", ENDLESS)
    desk.put(lost, kept)
    running = start()
    desk.wait_for(lambda: desk.renewed)
    desk.stale.add(lost.id)
    desk.wait_for(lambda: desk.nodes[-1].leased == 1)
    running.stop()
    assert list(desk.released) == [kept.id]
    assert desk.completed == {}


def test_results_wait_for_the_endpoint_to_come_back(desk: Desk, start: Start) -> None:
    """While nobody answers, the worker computes what it has and hands it in afterwards."""
    lease = lease_of(b"gone", 1)
    desk.put(lease_of(b"slow", 500))
    start()
    desk.wait_for(lambda: desk.renewed)
    desk.away = True
    refused = desk.refused
    desk.wait_for(lambda: desk.refused >= refused + 6)
    assert desk.completed == {}
    desk.put(lease)
    desk.away = False
    desk.wait_for(lambda: len(desk.completed) == 2)
    assert desk.failed == {}


def test_an_outage_is_one_line_in_the_log(
    desk: Desk, start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    """However many threads try however often, it is said once that nobody answers."""
    running = start()
    desk.wait_for(lambda: desk.requests and desk.nodes)
    desk.away = True
    desk.wait_for(lambda: desk.refused >= 8)
    desk.away = False
    beats = len(desk.nodes)
    desk.wait_for(lambda: len(desk.nodes) > beats)
    running.stop()
    log = capfd.readouterr().err
    assert log.count('"worker.endpoint_lost"') == 1
    assert log.count('"worker.endpoint_found"') == 1


def test_a_drain_hands_everything_back_with_its_checkpoint(desk: Desk, start: Start) -> None:
    """Told to stop, the worker delivers what is done and releases the rest as far as it got."""
    running = start()
    desk.put(lease_of(b"quick", 2), *(lease_of(b"slow%d" % n, ENDLESS) for n in range(6)))
    desk.wait_for(lambda: desk.completed and max((one.done for one in desk.renewed), default=0) > 1)
    renewed = {one.id: one.done for one in desk.renewed}
    running.stop()
    assert running.error is None
    assert set(desk.released) == desk.granted - set(desk.completed)
    assert any(one.done > 1 for one in desk.released.values())
    for one in desk.released.values():
        assert one.done >= renewed.get(one.id, 1)
        assert int.from_bytes(one.state[8:], "big") == one.done


def test_a_drain_leases_nothing_more(desk: Desk, start: Start) -> None:
    """Work that waits at the endpoint stays there, and all that was granted is accounted for."""
    desk.put(*(lease_of(b"slow%d" % n, ENDLESS) for n in range(60)))
    running = start()
    desk.wait_for(lambda: desk.renewed)
    running.stop()
    assert len(desk.granted) < 60
    assert set(desk.released) == desk.granted


def test_a_drain_does_not_wait_for_a_child_that_hangs(
    desk: Desk, start: Start, gates: Gates
) -> None:
    """The job goes back with its last checkpoint though its slice never ended."""
    desk.put(lease_of(b"gil", 2))
    running = start(drain_seconds=6.0)
    gates.wait_until_reached()
    running.stop()
    assert [one.done for one in desk.released.values()] == [1]


def test_a_child_that_dies_in_a_drain_takes_nothing_with_it(
    desk: Desk, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even when no other one can be started any more: what is in hand goes back."""
    job = lease_of(b"slow", ENDLESS)
    desk.put(job)
    running = start()
    desk.wait_for(lambda: desk.renewed)
    child = running.worker.computing.lanes.pid
    assert child is not None
    os.kill(child, signal.SIGSTOP)  # so that its slice does not come home
    monkeypatch.setattr("workmill.worker.slice_scheduler.MAX_FALSE_STARTS", 0)
    running.worker.stop()
    os.kill(child, signal.SIGKILL)
    running.join()
    assert list(desk.released) == [job.id]


def test_a_drain_that_nobody_answers_is_an_error(desk: Desk, start: Start) -> None:
    """With the endpoint away the worker gives up in time, and says what is left unsaid."""
    desk.put(lease_of(b"slow", ENDLESS))
    running = start(drain_seconds=0.5)
    desk.wait_for(lambda: desk.renewed)
    desk.away = True
    running.stop()
    assert isinstance(running.error, EndpointUnreachable)
    assert "1 jobs" in str(running.error)


def test_a_wrong_key_ends_the_worker(
    desk: Desk, start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What time does not heal is not retried for ever: the worker ends with the refusal."""

    def refuse(*_: object) -> list[Lease]:
        raise NotAuthorized("A valid key is needed.")

    monkeypatch.setattr(desk, "lease", refuse)
    running = start()
    running.join()
    assert isinstance(running.error, NotAuthorized)
