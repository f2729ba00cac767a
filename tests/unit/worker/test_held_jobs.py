"""What is in hand and what is still to be said."""

from __future__ import annotations

from tests.unit.worker.conftest import lease_of

from workmill.domain.job import Completion, Failure, Release
from workmill.worker.held_jobs import Held, Ledger
from workmill.worker.outbox import Outbox


def ledger_with(*totals: int) -> tuple[Ledger, list[Held]]:
    ledger = Ledger(Outbox())
    ledger.take(lease_of(b"job%d" % number, total) for number, total in enumerate(totals))
    return ledger, ledger.ready()


def checkpoints(ledger: Ledger) -> list[tuple[int, int, bytes]]:
    """Token, done and state of every lease in hand, as a heartbeat would renew it."""
    ledger.renewals(1.0)
    return [(one.token, one.done, one.state) for one in ledger.renewals(1.0)]


def moved(job: Held) -> bytes:
    return job.state[:8] + (job.done + job.planned).to_bytes(8, "big")


def test_a_job_goes_on_from_where_the_child_left_it() -> None:
    """Progress counts once, and the state that goes with it is the checkpoint."""
    ledger, (job,) = ledger_with(100)
    ledger.plan([job], [40])
    assert ledger.ready() == []
    checkpoint = moved(job)
    ledger.advance([job], [checkpoint])
    assert checkpoints(ledger) == [(1, 41, checkpoint)]
    assert ledger.ready() == [job]


def test_a_finished_job_is_said_and_no_longer_renewed() -> None:
    """A result leaves the hand for the outbox in one step."""
    ledger, (job,) = ledger_with(100)
    ledger.plan([job], [99])
    value = moved(job)
    ledger.advance([job], [value])
    assert ledger.outbox.take(9) == [Completion(id=job.id, token=job.token, state=value)]
    assert checkpoints(ledger) == []


def test_a_job_is_renewed_from_its_second_turn_on() -> None:
    """Short jobs, gone within a turn of the heartbeat, cost no renewals."""
    ledger, _ = ledger_with(100)
    assert ledger.renewals(1.0) == []
    assert len(ledger.renewals(1.0)) == 1
    assert len(ledger.renewals(1.0)) == 1


def test_a_lease_with_nothing_left_to_do_is_finished_at_once() -> None:
    """A worker that died between its last checkpoint and its completion costs nothing."""
    ledger, ready = ledger_with(1)
    assert ready == []
    assert len(ledger.outbox) == 1


def test_what_the_child_makes_of_a_lost_job_is_ignored() -> None:
    """A job dropped in mid-slice leaves no word, even if it was leased anew meanwhile."""
    ledger, (job,) = ledger_with(100)
    ledger.plan([job], [99])
    assert ledger.drop([(job.id, job.token)]) == 1
    ledger.take([lease_of(b"job0", 100, token=2)])
    ledger.advance([job], [moved(job)])
    assert len(ledger.outbox) == 0
    assert [(token, done) for token, done, _ in checkpoints(ledger)] == [(2, 1)]


def test_a_verdict_on_an_old_lease_does_not_cost_the_new_one() -> None:
    """Only the lease that the token names is dropped."""
    ledger, _ = ledger_with(100)
    ledger.take([lease_of(b"job0", 100, token=2)])
    assert ledger.drop([(lease_of(b"job0", 100).id, 1)]) == 0
    assert len(ledger) == 1


def test_a_lease_that_is_in_hand_already_is_not_begun_again() -> None:
    """A reply that comes twice, or a job that stands in it twice, costs no progress and makes no
    second result."""
    ledger, (job,) = ledger_with(100)
    ledger.plan([job], [40])
    ledger.advance([job], [moved(job)])
    old, same = lease_of(b"job0", 100, token=0), lease_of(b"job0", 100)
    ledger.take([same, old, same])
    assert ledger.ready() == [job]
    assert [(token, done) for token, done, _ in checkpoints(ledger)] == [(1, 41)]


def test_a_broken_slice_counts_for_nothing() -> None:
    """After a crash the jobs stand at their last checkpoint, suspects until they get on."""
    ledger, (job, other) = ledger_with(100, 100)
    ledger.plan([job, other], [9, 9])
    ledger.unplan([job], suspect=True)
    ledger.unplan([other], suspect=False)
    assert [(one.done, one.planned, one.suspect) for one in (job, other)] == [
        (1, 0, True),
        (1, 0, False),
    ]
    ledger.plan([job], [9])
    ledger.advance([job], [moved(job)])
    assert not job.suspect


def test_a_hand_back_carries_the_checkpoint() -> None:
    """A drain loses no finished slice."""
    ledger, (job,) = ledger_with(100)
    ledger.plan([job], [40])
    state = moved(job)
    ledger.advance([job], [state])
    assert ledger.hand_back() == 1
    assert ledger.outbox.take(9) == [Release(id=job.id, token=1, done=41, state=state)]
    assert len(ledger) == 0


def test_words_leave_in_batches_of_one_kind_in_their_order() -> None:
    """The outbox keeps the order and counts what is on its way until it is settled."""
    ledger, jobs = ledger_with(5, 5, 5, 5)
    ledger.plan(jobs[:2], [4, 4])
    ledger.advance(jobs[:2], [moved(job) for job in jobs[:2]])
    ledger.fail(jobs[2], "x" * 900)
    ledger.hand_back()
    outbox = ledger.outbox
    assert [type(word) for word in outbox.take(9)] == [Completion, Completion]
    assert len(outbox) == 4
    outbox.settle()
    (failure,) = outbox.take(9)
    assert isinstance(failure, Failure)
    assert len(failure.reason) == 500
    outbox.settle()
    outbox.close()
    assert [type(word) for word in outbox.take(9)] == [Release]
    outbox.settle()
    assert outbox.take(9) == []
    assert len(outbox) == 0
