"""The table says who may do what, and its picture of a life holds together."""

import itertools

import pytest

from workmill.domain.lifecycle import ENDED, RUNNING, TABLE, Status, Verb, after, allowed


def test_every_status_is_running_or_ended_never_both() -> None:
    assert set(Status) == RUNNING | ENDED
    assert not RUNNING & ENDED


def test_every_running_status_can_reach_every_end() -> None:
    """No job can be trapped: from queued, leased and attached all ends are within reach."""
    for start in RUNNING:
        assert _reachable(start) >= ENDED, start


def test_an_ended_job_never_runs_again() -> None:
    for start in ENDED:
        assert not _reachable(start) & RUNNING, start


def test_failed_cancelled_and_delivered_are_final() -> None:
    for status, verb in TABLE:
        assert status not in {Status.FAILED, Status.CANCELLED, Status.DELIVERED}, verb


def test_only_a_leased_job_listens_to_its_worker() -> None:
    words = {Verb.RENEW, Verb.COMPLETE, Verb.RELEASE, Verb.RETRY}
    assert {status for status, verb in TABLE if verb in words} == {Status.LEASED}


@pytest.mark.parametrize(("status", "verb"), list(itertools.product(Status, Verb)))
def test_what_the_table_does_not_say_is_refused(status: Status, verb: Verb) -> None:
    if allowed(status, verb):
        assert after(status, verb) in Status
    else:
        with pytest.raises(KeyError):
            after(status, verb)


def _reachable(start: Status) -> set[Status]:
    seen, edge = {start}, {start}
    while edge:
        edge = {after for (status, _), after in TABLE.items() if status in edge} - seen
        seen |= edge
    return seen
