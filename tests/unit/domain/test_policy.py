"""Retry, cost, content keys and errors: the small pure rules."""

from hypothesis import given
from hypothesis import strategies as st

from workmill.domain import errors
from workmill.domain.job import KEY_BYTES, content_key
from workmill.domain.lifecycle import Verb
from workmill.domain.limits import CHECKPOINT_SECONDS, LEASE_SECONDS
from workmill.domain.retry import (
    MAX_ATTEMPTS,
    SUSPECT_ATTEMPTS,
    after_lost_lease,
    buried_reason,
    is_suspect,
)


def test_a_job_is_buried_exactly_when_its_attempts_are_used_up() -> None:
    verdicts = [after_lost_lease(attempts) for attempts in range(1, MAX_ATTEMPTS + 1)]
    assert verdicts == [Verb.RETRY] * (MAX_ATTEMPTS - 1) + [Verb.BURY]


def test_a_job_runs_alone_before_it_is_buried() -> None:
    """A guilty job must have been alone at least once, or its neighbours go down with it."""
    assert SUSPECT_ATTEMPTS < MAX_ATTEMPTS - 1
    assert not is_suspect(SUSPECT_ATTEMPTS - 1)
    assert is_suspect(SUSPECT_ATTEMPTS)


def test_a_buried_job_says_why() -> None:
    assert buried_reason(5, "SIGSEGV") == (
        "given up after 5 attempts without progress; the last one: SIGSEGV"
    )


def test_a_lease_outlives_three_missed_checkpoints() -> None:
    assert LEASE_SECONDS > 3 * CHECKPOINT_SECONDS


@given(st.binary(min_size=64, max_size=64))
def test_a_content_key_keeps_tenants_and_workloads_apart(state: bytes) -> None:
    keys = {
        content_key("a", "sha512", state),
        content_key("b", "sha512", state),
        content_key("a", "other", state),
        content_key("a", "sha512", state[::-1] + b"x"),
    }
    assert len(keys) == 4
    assert {len(key) for key in keys} == {KEY_BYTES}


def test_every_error_is_found_again_by_its_slug() -> None:
    """What an endpoint raises is what the client raises."""
    kinds = [errors.InvalidInput, errors.BodyTooLarge, errors.NotFound, errors.Conflict]
    kinds += [errors.StaleLease, errors.StoreUnavailable, errors.JobFailed, errors.WaitTimeout]
    for kind in kinds:
        assert errors.error_for(kind.slug) is kind
    assert errors.error_for("made-up") is errors.WorkmillError
