"""What the system says, as a person reads it."""

from __future__ import annotations

import errno
import os

import pytest

from workmill.telemetry.error_text import error_text, shortage


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (OSError(errno.EROFS, os.strerror(errno.EROFS), "/x"), "Read-only file system: /x"),
        (OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)), "No space left on device"),
        (BlockingIOError(errno.EAGAIN, "x"), "no more processes and threads are allowed here"),
        (OSError("its own words"), "its own words"),
        (OSError(), "OSError"),
    ],
)
def test_an_error_of_the_system_has_words_and_no_number(error: OSError, said: str) -> None:
    """A person is told what happened and where, not that it is errno 30."""
    assert error_text(error) == said


@pytest.mark.parametrize(
    ("error", "word"),
    [
        (RuntimeError("can't start new thread"), "TasksMax"),
        (BlockingIOError(errno.EAGAIN, "x"), "TasksMax"),
        (MemoryError(), "memory"),
        (OSError(errno.ENOMEM, "x"), "memory"),
    ],
)
def test_what_there_is_too_little_of_is_named(error: BaseException, word: str) -> None:
    """With what to raise; other errors are none of that."""
    told = shortage(error)
    assert told is not None
    assert word in told.detail


@pytest.mark.parametrize("error", [RuntimeError("else"), OSError(errno.ENOENT, "x"), ValueError()])
def test_other_errors_are_no_shortage(error: BaseException) -> None:
    """They go the way they went."""
    assert shortage(error) is None
