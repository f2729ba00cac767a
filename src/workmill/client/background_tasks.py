"""Work beside the caller's, that nobody has to wait for when the caller leaves.

Theory. A pool of threads would be waited for at the end of the process or of a loop, however long
an endpoint, or a pipe, is silent; and as many silent pipes as it has threads would stop everybody
else who uses it. So each piece of work has a thread of its own, which ends with the process at the
latest. Where none can be had, at a limit or at the interpreter's end, the work is done in place.
"""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextvars import copy_context
from functools import partial
from typing import TypeVar

from workmill.client import forks
from workmill.client.caller_exceptions import by_a_handler
from workmill.domain.errors import WorkmillError

T = TypeVar("T")


def begin(work: Callable[[], T]) -> Future[T]:
    """Begin it in a thread; the future has the outcome. Where there is no thread, it is over."""
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    if sys.is_finalizing():  # a thread would never be scheduled
        _run(future, work)
        return future
    try:
        threading.Thread(
            target=_run, args=(future, work), name="workmill-submit", daemon=True
        ).start()
    except RuntimeError as error:
        if by_a_handler(error):
            raise
        _run(future, work)
    return future


async def aside(work: Callable[[], T], undo: Callable[[T], object] | None = None) -> T:
    """Do what may wait in a thread, and await it. Whoever is cancelled leaves at once; `undo` is
    called then with what comes too late."""
    future = begin(partial(copy_context().run, work))
    try:
        return await asyncio.wrap_future(future)
    except asyncio.CancelledError:
        if undo is not None:
            future.add_done_callback(partial(_undone, undo))
        raise


def _undone(undo: Callable[[T], object], future: Future[T]) -> None:
    if future.exception() is None:
        undo(future.result())


class Background:
    """What one `submit_many` has under way."""

    def __init__(self) -> None:
        self._born = forks.generation()

    def start(self, work: Callable[[], T]) -> Future[T]:
        """See `begin`."""
        return begin(work)

    def outcome(self, future: Future[T]) -> T:
        """Wait for it. Raises WorkmillError in a forked child, which has no threads of its
        parent's to wait for."""
        if self._born != forks.generation():
            raise WorkmillError(
                "This submit_many was begun before the process forked, and its parent goes on with "
                "it. Nothing was sent here. Begin a new one in the child."
            )
        return future.result()


def _run(future: Future[T], work: Callable[[], T]) -> None:
    try:
        future.set_result(work())
    except BaseException as error:  # noqa: BLE001  it is raised where the outcome is asked for
        future.set_exception(error)
