"""An end has words, whatever ended the process."""

from __future__ import annotations

import signal

import pytest

from workmill.telemetry.exit_text import exit_text


@pytest.mark.parametrize(
    ("returncode", "text"),
    [
        (0, "exit code 0"),
        (7, "exit code 7"),
        (-signal.SIGKILL, "SIGKILL"),
        (-signal.SIGRTMIN, "SIGRTMIN"),
        (-40, "signal 40"),
        (-250, "signal 250"),
    ],
)
def test_every_end_has_words(returncode: int, text: str) -> None:
    """Also a signal that Python has no name for."""
    assert exit_text(returncode) == text
