"""What the child is given, and who is blamed when it breaks; the child itself is left out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from tests.unit.worker.bench import LANES, LONG, Bench, job
from tests.unit.worker.conftest import lease_of

from workmill.domain.errors import WorkmillError
from workmill.domain.job import Completion, Failure
from workmill.worker.child_handle import Death
from workmill.worker.child_protocol import Outcome, Task


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch) -> Bench:
    return Bench(monkeypatch)


def test_a_full_slice_waits_in_the_child_while_another_runs(bench: Bench) -> None:
    """With work enough the child never waits for its parent, and no job is in both slices."""
    bench.lease(*(job(b"%d" % number) for number in range(6)))
    assert bench.names() == [[b"0", b"1"], [b"2", b"3"]]
    bench.answer()
    assert bench.names() == [[b"2", b"3"], [b"0", b"1"]]


def test_a_slice_that_is_not_full_waits_for_what_comes_home(bench: Bench) -> None:
    """One job too few to fill the lanes is not sent ahead: it goes with those cut before."""
    bench.lease(job(b"0"), job(b"1"), job(b"2"))
    assert bench.names() == [[b"0", b"1"]]
    bench.answer()
    assert bench.names() == [[b"0", b"1"]]


def test_workloads_take_turns(bench: Bench) -> None:
    """Endless jobs of one workload do not keep those of another from the child."""
    bench.lease(job(b"0"), job(b"1"), job(b"2"), job(b"3"), job(b"4", workload="other"))
    assert [task.workload for task in bench.tasks] == ["tally", "other"]
    bench.answer()
    assert [task.workload for task in bench.tasks] == ["other", "tally"]
    bench.answer()
    assert [task.workload for task in bench.tasks] == ["tally", "other"]


def test_a_slice_takes_about_as_long_as_it_should(bench: Bench) -> None:
    """Counts follow the measured pace: a thousand a second for slices of a second."""
    bench.lease(job(b"0"), job(b"1"))
    for _ in range(40):
        bench.answer()
    assert 900 <= bench.tasks[0].counts[0] <= 1000


def test_only_the_slice_that_ran_is_suspected_and_each_of_it_runs_alone(bench: Bench) -> None:
    """After a death the jobs that waited are not touched; the suspects go one by one, first."""
    bench.lease(*(job(b"%d" % number) for number in range(4)))
    bench.die()
    assert bench.names() == [[b"0"]]
    bench.answer()
    assert bench.names() == [[b"1"]]
    bench.answer()
    assert bench.names() == [[b"0", b"1"], [b"2", b"3"]]


def test_the_suspect_that_does_it_again_is_failed_and_nobody_else(bench: Bench) -> None:
    """The second death, alone, is the proof; the reason names the signal."""
    bench.lease(job(b"0"), job(b"1"))
    bench.die()
    bench.die("SIGSEGV")
    assert bench.names() == [[b"1"]]
    (failure,) = bench.ledger.outbox.take(9)
    assert isinstance(failure, Failure)
    assert failure.id == job(b"0").id
    assert "SIGSEGV" in failure.reason
    assert failure.retryable


def test_a_silence_that_a_stranger_caused_costs_nobody_a_failure(bench: Bench) -> None:
    """A child that was stopped is ended; its jobs are tried alone, get on, and are cleared."""
    bench.lease(job(b"0", 3), job(b"1", 3))
    bench.computing.overdue()
    assert bench.kills == 1
    bench.die()
    while len(bench.ledger.outbox) < 2:
        bench.answer()
    assert {type(word) for word in bench.ledger.outbox.take(9)} == {Completion}


def test_what_a_workload_raises_is_the_reason(bench: Bench) -> None:
    """An exception is traced to its job like a death."""
    bench.lease(job(b"0"), job(b"1"))
    bench.answer(error="ValueError: no")
    bench.answer(error="ValueError: no")
    (failure,) = bench.ledger.outbox.take(9)
    assert isinstance(failure, Failure)
    assert failure.reason == "ValueError: no"
    assert bench.names() == [[b"1"]]


def test_a_job_leased_as_a_suspect_is_tried_alone(bench: Bench) -> None:
    """What other workers lost twice does not run among others here."""
    bench.lease(job(b"0"), lease_of(b"1", LONG, attempts=3), job(b"2"))
    assert bench.names() == [[b"1"]]


def test_a_job_of_a_workload_that_is_gone_is_failed(bench: Bench) -> None:
    """A child that came back without a workload fails its jobs and goes on with the others."""
    bench.lease(job(b"0", workload="gone"), job(b"1"))
    assert bench.names() == [[b"1"]]
    (failure,) = bench.ledger.outbox.take(9)
    assert isinstance(failure, Failure)
    assert "gone" in failure.reason


def test_a_child_that_never_starts_is_given_up(bench: Bench) -> None:
    """A few deaths before any hello end the worker with words, not with a loop."""

    def die_unheard() -> None:
        for _ in range(9):
            bench.computing.handle(Death("exit code 1"))

    with pytest.raises(WorkmillError, match="No compute process can be started"):
        die_unheard()
    assert bench.starts < 9


def test_the_first_order_fills_the_lanes_and_later_ones_follow_the_pace(bench: Bench) -> None:
    """Before anything is known a worker asks for one job a lane; then for seconds of work."""
    first = bench.computing.order()
    assert first is not None
    order, workloads = first
    assert (order.min_jobs, workloads) == (LANES, ("tally", "other"))
    bench.lease(job(b"0"), job(b"1"))
    for _ in range(40):
        bench.answer()
    assert bench.computing.order() is None
    rate_hz, lanes = bench.computing.speed()
    assert lanes == LANES
    assert 1900 <= rate_hz <= 2000


def test_a_lone_job_shows_how_fast_the_worker_is_at_least(bench: Bench) -> None:
    """A tiny first job must not leave a rate behind that no lone job after it can mend."""
    bench.lease(job(b"tiny", 2))
    task = bench.tasks.pop(0)
    bench.computing.handle(Outcome(task.seq, 1.0, task.states, None))
    assert bench.computing.speed() == (1.0, LANES)
    bench.lease(job(b"lone"))
    for _ in range(40):
        bench.answer()
    rate_hz, lanes = bench.computing.speed()
    assert lanes == LANES
    assert rate_hz == pytest.approx(1000)


def moved(task: Task) -> list[bytes]:
    return [
        state[:8] + (int.from_bytes(state[8:], "big") + count).to_bytes(8, "big")
        for state, count in zip(task.states, task.counts, strict=True)
    ]


MAD: list[Callable[[Task], Outcome]] = [
    lambda task: Outcome(task.seq + 1, 0.1, moved(task)),
    lambda task: Outcome(task.seq - 1, 0.1, moved(task)),
    lambda task: Outcome(task.seq, 0.1, moved(task)[:-1]),
    lambda task: Outcome(task.seq, 0.1, [*moved(task), bytes(16)]),
    lambda task: Outcome(task.seq, 0.1, [state[1:] for state in moved(task)]),
    lambda task: Outcome(task.seq, float("nan"), moved(task)),
    lambda task: Outcome(task.seq, -1.0, moved(task)),
]


@pytest.mark.parametrize("mad", MAD)
def test_an_outcome_that_does_not_answer_its_slice_is_not_believed(
    bench: Bench, mad: Callable[[Task], Outcome]
) -> None:
    """Neither a result nor a checkpoint is made of it: the child is ended, and nothing that it
    says before its end counts either."""
    bench.lease(job(b"0", 3), job(b"1", 3))
    (task,) = bench.tasks
    bench.computing.handle(mad(task))
    assert bench.kills == 1
    bench.computing.handle(Outcome(task.seq, 0.1, moved(task)))
    assert len(bench.ledger.outbox) == 0
    bench.die()
    assert bench.names() == [[b"0"]]
    while len(bench.ledger.outbox) < 2:
        bench.answer()
    words = bench.ledger.outbox.take(9)
    values = {word.id: word.state for word in words if isinstance(word, Completion)}
    assert values == {job(name, 3).id: lease_of(name, 3).id for name in (b"0", b"1")}


def test_an_outcome_of_nothing_is_not_believed(bench: Bench) -> None:
    """A child that speaks unasked is replaced, whatever it says, and the worker goes on."""
    bench.computing.handle(Outcome(1, 0.1, [bytes(16)]))
    assert bench.kills == 1
    bench.die()
    bench.lease(job(b"0", 2))
    bench.answer()
    assert len(bench.ledger.outbox) == 1


NO_LEASES = [
    ({"total": 0}, "1 of 0"),
    ({"total": 2**63}, "iterations done"),
    ({"done": 0}, "0 of"),
    ({"done": -1}, "-1 of"),
    ({"done": LONG + 1}, "of 1000000000"),
    ({"state": b""}, "0 bytes"),
    ({"state": bytes(17)}, "17 bytes"),
    ({"workload": "gone"}, "no workload 'gone'"),
]


@pytest.mark.parametrize(("wrong", "reason"), NO_LEASES)
def test_a_lease_that_cannot_be_true_is_objected_to(
    bench: Bench, wrong: dict[str, Any], reason: str
) -> None:
    """A job beyond its end, of another size, or of no workload is never taken for a result."""
    assert bench.computing.objection(job(b"0")) is None
    objection = bench.computing.objection(msgspec.structs.replace(job(b"0"), **wrong))
    assert reason in str(objection)


def test_what_is_asked_for_stays_within_what_an_endpoint_reads(bench: Bench) -> None:
    """However fast a workload that does nothing seems, the cost asked for is a number of the
    wire."""
    bench.lease(job(b"0", 2**62), job(b"1", 2**62))
    for _ in range(80):
        task = bench.tasks.pop(0)
        bench.computing.handle(Outcome(task.seq, 0.0, moved(task)))
        bench.computing.feed()
        if not bench.tasks:
            break
    wanted = bench.computing.order()
    assert wanted is None or wanted[0].max_cost <= 2**63 - 1


def test_a_child_that_has_not_said_hello_is_given_nothing(bench: Bench) -> None:
    """A machine that cannot start the next one, for want of memory or threads, does not make the
    jobs in hand look guilty: they are not blamed, and the worker hands them back when it ends."""
    bench.lease(job(b"0"))
    bench.tasks.clear()
    bench.computing.handle(Death("SIGKILL"))
    bench.computing.feed()
    for _ in range(2):
        assert bench.tasks == []
        bench.computing.handle(Death("it could not be started"))
        bench.computing.feed()
    with pytest.raises(WorkmillError, match="No compute process can be started"):
        bench.computing.handle(Death("it could not be started"))
    assert [held.id for held in bench.ledger.ready()] == [job(b"0").id]
    assert len(bench.ledger.outbox) == 0
