"""What a supervised process says that this machine does not let run."""

from __future__ import annotations

import pytest

from workmill.domain.errors import WorkmillError
from workmill.runtime import child_main


@pytest.mark.parametrize("place", ["follow_lifeline", "_play"])
def test_a_machine_without_threads_is_told_in_words(
    monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """The limit of processes is met by any thread, the first of all among them: the supervisor
    hears it, and no traceback is written."""
    told: list[WorkmillError] = []

    def refused(*_words: str) -> int:
        raise RuntimeError("can't start new thread")

    def hear(error: WorkmillError) -> bool:
        told.append(error)
        return True

    monkeypatch.setattr(child_main, "follow_lifeline", lambda: None)
    monkeypatch.setattr(child_main, "tell_supervisor", hear)
    monkeypatch.setattr(child_main, place, refused)
    assert child_main.main("worker", "{}") == 1
    assert "No more processes and threads" in told[0].detail


def test_any_other_error_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a fault that somebody has to find."""

    def failed(*_words: str) -> int:
        raise RuntimeError("a fault")

    monkeypatch.setattr(child_main, "follow_lifeline", lambda: None)
    monkeypatch.setattr(child_main, "_play", failed)
    with pytest.raises(RuntimeError, match="a fault"):
        child_main.main("worker", "{}")
