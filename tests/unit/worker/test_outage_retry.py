"""When an outage is over, as all threads of a worker see it."""

from __future__ import annotations

import threading

import pytest

from workmill.domain.errors import EndpointUnreachable
from workmill.worker.outage_retry import Reach


def test_an_answer_to_a_question_from_before_it_says_nothing_of_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A long poll that an endpoint had answered before it went is read after that."""
    now = 100.0
    said: list[str] = []
    monkeypatch.setattr("workmill.worker.outage_retry.time.monotonic", lambda: now)
    monkeypatch.setattr("workmill.telemetry.outage_log.emit", lambda event, **_: said.append(event))
    shared, over = Reach(), threading.Event()
    over.set()

    def lost() -> None:
        raise EndpointUnreachable

    def answered_after_the_loss() -> str:
        nonlocal now
        now += 1.0
        with pytest.raises(EndpointUnreachable):
            shared.insist(lost, over)
        return "late"

    assert shared.insist(answered_after_the_loss, over) == "late"
    assert said == ["worker.endpoint_lost"]
    now += 1.0
    shared.insist(lambda: "anew", over)
    assert said == ["worker.endpoint_lost", "worker.endpoint_found"]
