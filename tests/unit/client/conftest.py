"""A service made of one function, and a clock that nothing but pauses and answers move."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import pytest

from workmill.client.operations import Operations
from workmill.client.steps import Reply, Request, Steps
from workmill.domain.errors import EndpointUnreachable

T = TypeVar("T")


class Counterpart:
    """Carries operations out against a function; what was asked is kept in `asked`."""

    def __init__(self) -> None:
        self.now = 5000.0
        self.asked: list[Request] = []
        self.operations = Operations(30.0, ticks=lambda: self.now)

    def carry(self, steps: Steps[T], answer: Callable[[Request], Reply]) -> T:
        """The value of the operation; `answer` may raise EndpointUnreachable and move `now`."""
        try:
            request = next(steps)
            while True:
                self.now += request.delay_seconds
                self.asked.append(request)
                try:
                    reply = answer(request)
                except EndpointUnreachable as error:
                    request = steps.throw(error)
                else:
                    request = steps.send(reply)
        except StopIteration as stop:
            value: T = stop.value
            return value


@pytest.fixture
def service() -> Counterpart:
    return Counterpart()
