"""Retries: which failures, how long between, and never past the caller's patience."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.client.retries import (
    FIRST_PAUSE_SECONDS,
    LONGEST_PAUSE_SECONDS,
    pause_seconds,
    retrying,
    worth_retrying,
)
from workmill.client.steps import Reply, Request
from workmill.domain.errors import (
    Conflict,
    EndpointUnreachable,
    InvalidInput,
    NotFound,
    StoreDamaged,
    StoreFull,
    StoreLost,
    StoreUnavailable,
    WorkmillError,
)

chances = st.floats(0, 1, exclude_max=True)
REQUEST = Request("GET", "/v1/stats")
GOOD = Reply(200, b"{}")


class Service:
    """A service that fails as it is told, and the clock of the one who asks it."""

    def __init__(self, *answers: Reply | EndpointUnreachable, seconds_each: float = 0.0) -> None:
        self.answers = list(answers)
        self.seconds_each = seconds_each
        self.now = 1000.0
        self.asked: list[Request] = []
        self.ends: list[float] = []
        self.reads: Callable[[Reply], Reply] = lambda reply: reply

    def ask(self, patience_seconds: float, request: Request = REQUEST) -> Reply:
        """Carry the retrying out, with pauses that cost time on this clock alone."""
        steps = retrying(
            request, patience_seconds, self.reads, ticks=lambda: self.now, chance=lambda: 0.5
        )
        try:
            request = next(steps)
            while True:
                self.asked.append(request)
                self.now += request.delay_seconds
                self.ends.append(self.now + request.timeout_seconds)
                self.now += self.seconds_each
                answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
                if isinstance(answer, EndpointUnreachable):
                    request = steps.throw(answer)
                else:
                    request = steps.send(answer)
        except StopIteration as stop:
            reply: Reply = stop.value
            return reply


@pytest.mark.parametrize(
    "answer",
    [
        EndpointUnreachable(),
        Reply(503, b'{"type":"urn:workmill:problem:store-unavailable","title":"t","status":503}'),
        Reply(429, b"slow down", {"retry-after": "1"}),
        Reply(502, b"<html>bad gateway</html>"),
    ],
)
def test_what_time_may_heal_is_asked_again(answer: Reply | EndpointUnreachable) -> None:
    """A service that comes back is found, by the same request with the same content."""
    service = Service(answer, answer, GOOD)
    assert service.ask(patience_seconds=60.0) is GOOD
    assert {(asked.method, asked.path) for asked in service.asked} == {("GET", "/v1/stats")}
    assert len(service.asked) == 3


@pytest.mark.parametrize("error", [InvalidInput(), NotFound(), Conflict(), WorkmillError()])
def test_what_time_cannot_heal_is_raised_at_once(error: WorkmillError) -> None:
    """A refusal is told on the first request."""
    body = b'{"type":"urn:workmill:problem:%s","title":"t","status":400}' % error.slug.encode()
    service = Service(Reply(error.status, body))
    with pytest.raises(type(error)):
        service.ask(patience_seconds=60.0)
    assert len(service.asked) == 1
    assert not worth_retrying(error)


@given(patience=st.floats(0, 1e4), seconds_each=st.floats(0.01, 30))
def test_patience_bounds_the_whole(patience: float, seconds_each: float) -> None:
    """No attempt is made, or told to wait, beyond the caller's patience."""
    service = Service(EndpointUnreachable(), seconds_each=seconds_each)
    with pytest.raises(EndpointUnreachable):
        service.ask(patience)
    assert max(service.ends) <= 1000.0 + patience + 0.002


def test_endless_patience_outlasts_any_outage() -> None:
    """A worker may wait for ever: the thousandth attempt is made like the second."""
    service = Service(*[EndpointUnreachable()] * 1000, GOOD)
    assert service.ask(float("inf")) is GOOD
    assert service.asked[-1].delay_seconds <= LONGEST_PAUSE_SECONDS


def test_a_delay_of_the_request_itself_comes_first() -> None:
    """A poll that holds back before its first attempt still does so under retries."""
    service = Service(GOOD)
    service.ask(60.0, Request("GET", "/", delay_seconds=0.7))
    assert service.asked[0].delay_seconds == 0.7


@given(failures=st.integers(1, 10**6), chance=chances)
def test_pauses_grow_but_are_bounded_and_never_nothing(failures: int, chance: float) -> None:
    """Back-off is at least half its nominal size, and at most the longest pause."""
    pause = pause_seconds(failures, EndpointUnreachable(), lambda: chance)
    assert FIRST_PAUSE_SECONDS / 2 <= pause <= LONGEST_PAUSE_SECONDS
    assert pause <= pause_seconds(failures + 1, EndpointUnreachable(), lambda: chance)


@given(failures=st.integers(1, 50), wait=st.floats(0, 1e5), chance=chances)
def test_a_time_that_the_endpoint_named_is_kept(failures: int, wait: float, chance: float) -> None:
    """Retry-After is never undercut, and those who got the same one are spread."""
    error = StoreUnavailable(retry_after_seconds=wait)
    assert pause_seconds(failures, error, lambda: chance) > wait


def test_two_clients_that_failed_together_do_not_return_together() -> None:
    """Chance decides half of each pause."""
    chance = iter(range(10))
    pauses = {pause_seconds(5, EndpointUnreachable(), lambda: next(chance) / 10) for _ in range(10)}
    assert len(pauses) == 10


def test_what_lasts_until_a_person_acts_is_told_at_once() -> None:
    """A damaged store does not mend itself; one that named a time, is full, or is lost to one
    process alone is asked again."""
    body = b'{"type":"urn:workmill:problem:store-damaged","title":"t","status":503%s}'
    service = Service(Reply(503, body % b""))
    with pytest.raises(StoreDamaged):
        service.ask(patience_seconds=60.0)
    assert len(service.asked) == 1
    healing = Service(Reply(503, body % b',"retry_after_seconds":1.0'), GOOD)
    assert healing.ask(patience_seconds=60.0) is GOOD
    assert all(map(worth_retrying, (StoreFull(), StoreLost(), StoreUnavailable())))


def test_an_attempt_that_was_cut_short_does_not_hide_what_was_answered() -> None:
    """A person reads that the store is away, not that nobody is there, when a question's patience
    ends in the midst of it. What changes something is not known: that is told."""
    said = b'{"type":"urn:workmill:problem:store-unavailable","title":"t","status":503}'
    service = Service(Reply(503, said), EndpointUnreachable(), seconds_each=6.0)
    with pytest.raises(StoreUnavailable):
        service.ask(patience_seconds=10.0)
    for patience_seconds, request in ((10.0, Request("PUT", "/v1/jobs/1")), (30.0, REQUEST)):
        service = Service(Reply(503, said), EndpointUnreachable(), seconds_each=6.0)
        if patience_seconds > 20:
            service.answers = [EndpointUnreachable()]
        with pytest.raises(EndpointUnreachable):
            service.ask(patience_seconds, request)
