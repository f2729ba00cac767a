"""A pool has all its threads from the start, or is not there."""

from __future__ import annotations

import threading

import pytest

from workmill.endpoint.thread_pools import whole_pool


def no_more(*_: object) -> None:
    raise RuntimeError("can't start new thread")


def test_a_whole_pool_starts_no_thread_when_it_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    """All of its threads are at work at once, though no thread is allowed any more."""
    pool = whole_pool(3, "test")
    monkeypatch.setattr(threading.Thread, "start", no_more)
    together = threading.Barrier(3)
    asked = [pool.submit(together.wait, 60) for _ in range(9)]
    assert sorted(one.result() for one in asked) == sorted([0, 1, 2] * 3)
    pool.shutdown()


def test_a_pool_that_would_not_be_whole_leaves_no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """A start that is refused is told to whoever wants the pool, and is over."""
    start, allowed = threading.Thread.start, [True, True]

    def refuses_the_third(thread: threading.Thread) -> None:
        if not allowed:
            no_more()
        allowed.pop()
        start(thread)

    before = set(threading.enumerate())
    monkeypatch.setattr(threading.Thread, "start", refuses_the_third)
    with pytest.raises(RuntimeError, match="can't start new thread"):
        whole_pool(3, "test")
    assert set(threading.enumerate()) == before
