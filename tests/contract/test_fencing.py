"""The verbs of the lease holder: renew, complete, fail, release. A stale word changes nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from tests.contract.job_factory import fresh_id, new_job, state_of
from tests.contract.store_drivers import Stand

from workmill.domain.job import Completion, Lease, Renewal, Verdict
from workmill.domain.lifecycle import Status
from workmill.domain.limits import MAX_REASON_CHARACTERS
from workmill.domain.retry import MAX_ATTEMPTS

Word = Callable[[Stand, Lease], Verdict]
WORDS: dict[str, Word] = {
    "renew": lambda stand, lease: stand.renew(lease, 50, b"x" * 64),
    "complete": lambda stand, lease: stand.complete(lease, b"x" * 64),
    "fail": lambda stand, lease: stand.fail(lease),
    "bury": lambda stand, lease: stand.fail(lease, retryable=False),
    "release": lambda stand, lease: stand.release(lease, 50, b"x" * 64),
}


@pytest.fixture(params=WORDS)
def word(request: pytest.FixtureRequest) -> Word:
    return WORDS[request.param]


def test_a_stale_token_changes_nothing(stand: Stand, word: Word) -> None:
    """One visible result per id: who lost the lease cannot touch the job any more."""
    stand.submit(new_job("a"))
    stale = stand.lease_one()
    stand.clock.advance(20)
    held = stand.lease_one()
    before = stand.job(held)
    assert word(stand, stale) is Verdict.STALE
    assert stand.job(held) == before


@pytest.mark.parametrize("token", [0, 1, 2, -1])
def test_a_job_in_nobodys_hands_is_stale_to_all(stand: Stand, word: Word, token: int) -> None:
    """No token, not even a guessed one, moves a job that is not leased."""
    queued, attached = new_job("a"), new_job("a")
    stand.submit(queued, attached)
    for job in (queued, attached):
        before = stand.job(job)
        guess = Lease(id=job.id, token=token, workload="", total=100, done=1, state=b"")
        assert word(stand, guess) is Verdict.STALE
        assert stand.job(job) == before


IMPOSSIBLE: dict[str, Word] = {
    "renew short": lambda stand, lease: stand.renew(lease, 50, b"x" * 63),
    "renew empty": lambda stand, lease: stand.renew(lease, 50, b""),
    "renew beyond": lambda stand, lease: stand.renew(lease, 101, b"x" * 64),
    "release long": lambda stand, lease: stand.release(lease, 50, b"x" * 65),
    "release beyond": lambda stand, lease: stand.release(lease, 101, b"x" * 64),
    "complete short": lambda stand, lease: stand.complete(lease, b"x"),
    "complete empty": lambda stand, lease: stand.complete(lease, b""),
}


@pytest.mark.parametrize("say", IMPOSSIBLE.values(), ids=IMPOSSIBLE)
def test_what_cannot_be_true_changes_nothing(stand: Stand, say: Word) -> None:
    """A state of another size, or more done than there is, is no checkpoint and no result."""
    stand.submit(new_job("a"))
    lease = stand.lease_one()
    before = stand.job(lease), stand.stats()
    assert say(stand, lease) is Verdict.REFUSED
    assert (stand.job(lease), stand.stats()) == before
    assert stand.complete(lease, state_of("a", 100)) is Verdict.APPLIED


def test_a_missing_job_is_unknown(stand: Stand, word: Word) -> None:
    """An id that is not there is told apart from a lost lease."""
    ghost = Lease(id=fresh_id(), token=1, workload="", total=2, done=1, state=b"")
    assert word(stand, ghost) is Verdict.UNKNOWN


def test_an_ended_job_is_stale(stand: Stand, word: Word) -> None:
    """The holder of a cancelled job is told to drop it."""
    stand.submit(new_job("a"))
    lease = stand.lease_one()
    stand.cancel(lease)
    assert word(stand, lease) is Verdict.STALE
    assert stand.status(lease) is Status.CANCELLED


def test_a_checkpoint_never_goes_back(stand: Stand) -> None:
    """`done` only grows; a renewal that would shrink it keeps the lease all the same."""
    stand.submit(new_job("a"))
    lease = stand.lease(1, lease_seconds=5)[0]
    assert stand.renew(lease, 40, state_of("a", 40)) is Verdict.APPLIED
    assert stand.renew(lease, 30, state_of("a", 30), lease_seconds=60) is Verdict.APPLIED
    assert (stand.job(lease).done, stand.job(lease).state) == (40, state_of("a", 40))
    stand.clock.advance(50)
    assert stand.lease() == []
    assert stand.stats().backlog_iterations == 60


def test_one_batch_may_renew_a_job_twice(stand: Stand) -> None:
    """The last word on the lease counts, and the furthest checkpoint."""
    stand.submit(new_job("a"))
    lease = stand.lease_one()
    renewals = [
        Renewal(
            id=lease.id, token=lease.token, done=done, state=state_of("a", done), lease_seconds=9
        )
        for done in (40, 20)
    ]
    with stand.store.group():
        assert stand.store.renew(renewals) == [Verdict.APPLIED] * 2
    assert (stand.job(lease).done, stand.job(lease).state) == (40, state_of("a", 40))


def test_a_batch_is_answered_item_by_item(stand: Stand) -> None:
    """In the order of the batch; a job that is named twice is complete the first time."""
    stand.submit(new_job("a"), new_job("b"))
    first, second = stand.lease(2)
    items = [
        Completion(id=first.id, token=first.token, state=state_of("a", 100)),
        Completion(id=fresh_id(), token=1, state=b""),
        Completion(id=second.id, token=second.token + 1, state=b""),
        Completion(id=first.id, token=first.token, state=b"x" * 64),
    ]
    with stand.store.group():
        verdicts = stand.store.complete(items)
    assert verdicts == [Verdict.APPLIED, Verdict.UNKNOWN, Verdict.STALE, Verdict.STALE]
    assert stand.job(first).state == state_of("a", 100)
    assert stand.status(second) is Status.LEASED


def test_a_failed_attempt_is_tried_again_until_there_are_too_many(stand: Stand) -> None:
    """A retryable failure counts like a lost lease, and the last one is told."""
    stand.submit(new_job("a"))
    for attempt in range(1, MAX_ATTEMPTS + 1):
        lease = stand.lease_one()
        assert lease.attempts == attempt
        stand.fail(lease, "it broke")
    shown = stand.job(lease)
    assert shown.status is Status.FAILED
    assert shown.reason == "given up after 5 attempts without progress; the last one: it broke"


@pytest.mark.parametrize("letter", ["x", "\u00fc", "\u65e5", "\U0001f980"])
def test_a_reason_is_kept_within_its_bound(stand: Stand, letter: str) -> None:
    """A worker cannot fill the store with words; what is kept are whole characters."""
    stand.submit(new_job("a"), new_job("b"))
    lease = stand.lease_one()
    stand.fail(lease, letter * 10_000, retryable=False)
    assert stand.job(lease).reason == letter * MAX_REASON_CHARACTERS
    for _ in range(MAX_ATTEMPTS):
        stand.fail(lease := stand.lease_one(), letter * 10_000)
    reason = stand.job(lease).reason or ""
    assert (len(reason), reason[-1]) == (MAX_REASON_CHARACTERS, letter)


def test_a_hand_back_burns_no_attempt(stand: Stand) -> None:
    """A drained worker's jobs go on elsewhere at once, from its checkpoint."""
    stand.submit(new_job("a"))
    for _ in range(2 * MAX_ATTEMPTS):
        lease = stand.lease_one()
        assert lease.attempts == 1
        assert stand.release(lease) is Verdict.APPLIED
    stand.release(stand.lease_one(), 70, state_of("a", 70))
    lease = stand.lease_one()
    assert (lease.done, lease.state, lease.attempts) == (70, state_of("a", 70), 1)


def test_a_completed_job_shows_its_value(stand: Stand) -> None:
    """Done means: all iterations, the value, and the time of its end."""
    stand.submit(new_job("a"))
    lease = stand.lease_one()
    stand.clock.advance(3)
    stand.complete(lease, state_of("a", 100))
    shown = stand.job(lease)
    assert (shown.status, shown.done, shown.state) == (Status.DONE, 100, state_of("a", 100))
    assert (shown.ended_at_ms, shown.worker) == (stand.clock.now_ms, None)
