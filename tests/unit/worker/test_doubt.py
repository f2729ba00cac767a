"""Who is blamed when a child is ended from outside: the job, or the machine."""

from __future__ import annotations

from functools import partial

import pytest
from tests.unit.worker.bench import LONG, Bench, job
from tests.unit.worker.conftest import lease_of

from workmill.domain.errors import WorkmillError
from workmill.domain.job import Completion, Failure, Release
from workmill.domain.patience import STEP_SECONDS, Patience
from workmill.worker.child_handle import SHORT_OF
from workmill.worker.slice_scheduler import DOUBT_SECONDS, Computing


class Clock:
    """The time by which patience is counted."""

    def __init__(self) -> None:
        self.now = 0.0

    def looks(self, computing: Computing) -> int:
        """How often somebody who waits as told looks until the patience has run out."""
        count = 0
        while wait_seconds := computing.patience_seconds():
            assert wait_seconds <= STEP_SECONDS
            self.now += wait_seconds
            count += 1
        return count


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    patience = partial(Patience, ticks=lambda: clock.now)
    monkeypatch.setattr("workmill.worker.slice_scheduler.Patience", patience)
    return clock


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, clock: Clock) -> Bench:  # noqa: ARG001 - comes first
    return Bench(monkeypatch)


def test_a_suspect_that_had_got_on_goes_back_with_what_is_done(bench: Bench) -> None:
    """Progress begins the count of attempts anew; a word of failure would lose both."""
    bench.lease(job(b"0"))
    done = 1 + bench.tasks[0].counts[0]
    bench.answer()
    bench.die("SIGSEGV")
    bench.die("SIGSEGV")
    (word,) = bench.ledger.outbox.take(9)
    assert isinstance(word, Release)
    assert (word.id, word.done) == (job(b"0").id, done)


def test_the_more_attempts_a_job_has_used_up_the_longer_is_the_doubt(
    bench: Bench, clock: Clock
) -> None:
    """A machine that ends a process every few seconds buries nobody."""
    bench.lease(lease_of(b"0", LONG, attempts=5))
    bench.die()
    assert clock.looks(bench.computing) * STEP_SECONDS == 5 * DOUBT_SECONDS


@pytest.mark.parametrize("in_doubt", [False, True])
def test_the_time_in_which_a_worker_was_stopped_is_held_against_nobody(
    bench: Bench, clock: Clock, in_doubt: bool
) -> None:
    """SIGSTOP, a paused container: its child may have stood still as well, or its word is unread.
    Whether it hangs, or lives without the job in doubt, shows while the worker runs."""
    bench.lease(lease_of(b"0", LONG, attempts=5))
    if in_doubt:
        bench.die()
    bench.computing.patience_seconds()
    clock.now += 3600
    assert clock.looks(bench.computing) >= 4
    assert len(bench.ledger.outbox) == 0


FROM_OUTSIDE = ["SIGKILL", SHORT_OF]


@pytest.mark.parametrize("reason", FROM_OUTSIDE)
def test_a_suspect_whose_child_was_ended_from_outside_is_failed_if_the_next_child_lives(
    bench: Bench, reason: str
) -> None:
    """The next child is given nothing for a while; it lives, so it was the job."""
    bench.lease(job(b"0"), job(b"1"))
    bench.die(reason)
    bench.die(reason)
    assert bench.tasks == []
    assert len(bench.ledger.outbox) == 0
    bench.live_on()
    (failure,) = bench.ledger.outbox.take(9)
    assert isinstance(failure, Failure)
    assert failure.id == job(b"0").id
    assert reason in failure.reason
    assert bench.names() == [[b"1"]]
    assert bench.kills == 0


@pytest.mark.parametrize("reason", FROM_OUTSIDE)
def test_a_machine_that_ends_every_child_blames_no_job(bench: Bench, reason: str) -> None:
    """Where memory has run out the child dies without the job as well: nobody is failed, and the
    worker gives up, so that what it holds goes back as it is."""

    def go_on_dying() -> None:
        for _ in range(99):
            bench.die(reason)

    bench.lease(job(b"0"), job(b"1"))
    with pytest.raises(WorkmillError, match="even with nothing to do"):
        go_on_dying()
    assert bench.starts < 15
    assert len(bench.ledger.outbox) == 0
    assert bench.ledger.hand_back() == 2


def test_one_that_was_acquitted_is_tried_alone_again(bench: Bench) -> None:
    """It gets on then, and what became of it before is forgotten."""
    bench.lease(job(b"0", 3), job(b"1", 3))
    for _ in range(3):
        bench.die()
    assert bench.names() == [[b"0"]]
    while len(bench.ledger.outbox) < 2:
        bench.answer()
    assert {type(word) for word in bench.ledger.outbox.take(9)} == {Completion}
