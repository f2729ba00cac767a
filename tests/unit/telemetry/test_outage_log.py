"""An outage is told once, with its end, however often and however it is met."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import pytest

from workmill.telemetry import Incident, emit_rarely, outage_log, repeated_events


@dataclass
class Log:
    """What was written, and the clock it is written by."""

    lines: list[tuple[str, Any]] = field(default_factory=list)
    now: float = 100.0

    def emit(self, event: str, **said: Any) -> None:
        self.lines.append((event, said.get("away_seconds", said.get("unwritten"))))

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def log(monkeypatch: pytest.MonkeyPatch) -> Log:
    kept = Log()
    monkeypatch.setattr(outage_log, "emit", kept.emit)
    monkeypatch.setattr(repeated_events, "emit", kept.emit)
    monkeypatch.setattr(repeated_events, "_lately", {})
    monkeypatch.setattr("workmill.telemetry.repeated_events.time.monotonic", kept.monotonic)
    return kept


def outage(log: Log) -> Incident:
    return Incident("x.lost", "x.found", monotonic=log.monotonic)


def test_it_is_told_once_with_its_end(log: Log) -> None:
    """And for how long it was, in seconds."""
    one = outage(log)
    one.succeeded()
    for _ in range(20):
        one.failed()
        log.now += 1
    one.succeeded()
    one.succeeded()
    assert log.lines == [("x.lost", None), ("x.found", 20.0)]
    assert not one.lasting


def test_what_goes_on_meanwhile_does_not_end_it(log: Log) -> None:
    """As reads do while every change is refused."""
    one = outage(log)
    for _ in range(20):
        one.failed(["submit"])
        one.succeeded(["stats"])
        log.now += 1
    assert log.lines == [("x.lost", None)]
    one.succeeded(["submit", "stats"])
    assert log.lines[1:] == [("x.found", 20.0)]


def test_what_is_not_tried_any_more_does_not_hold_it_open(log: Log) -> None:
    """A restore that failed may never be asked for again."""
    one = outage(log)
    one.failed(["restore"])
    log.now += outage_log.FORGOTTEN_SECONDS - 1
    one.succeeded(["probe"])
    assert one.lasting
    log.now += 1
    one.succeeded(["probe"])
    assert not one.lasting


def test_any_success_ends_what_concerned_everything(log: Log) -> None:
    """A connection that was lost is there again when anything comes through."""
    one = outage(log)
    one.failed()
    one.succeeded(["probe"])
    assert not one.lasting


def test_what_comes_and_goes_is_not_told_each_time(log: Log) -> None:
    """A thousand times up and down within minutes are four lines; the last one is its end."""
    one = outage(log)
    for _ in range(1000):
        one.failed()
        log.now += 0.1
        one.succeeded()
        log.now += 0.1
    log.now += outage_log.STEADY_SECONDS
    one.succeeded()
    assert [event for event, _ in log.lines] == ["x.lost", "x.found"] * 2
    log.now += outage_log.RELAPSE_SECONDS
    one.failed()
    one.succeeded()
    assert [event for event, _ in log.lines] == ["x.lost", "x.found"] * 3


def test_the_same_line_is_written_once_a_minute(log: Log) -> None:
    """With how often it was met meanwhile; another one is not held back by it."""
    for _ in range(61):
        emit_rarely("x.failed", error="a")
        log.now += 1
    emit_rarely("x.failed", error="b")
    assert log.lines == [("x.failed", None), ("x.failed", 59), ("x.failed", None)]


def test_lines_that_are_all_different_take_a_bounded_room(log: Log) -> None:
    """They are written, and forgotten."""
    for number in range(3 * repeated_events.MAX_REMEMBERED):
        emit_rarely("x.failed", error=str(number))
    assert len(log.lines) == 3 * repeated_events.MAX_REMEMBERED
    assert len(repeated_events._lately) <= repeated_events.MAX_REMEMBERED
