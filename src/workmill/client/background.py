"""Work beside the caller's, that nobody has to wait for when the caller leaves."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

from workmill.client import forks
from workmill.client.interrupting import by_a_handler
from workmill.domain.errors import WorkmillError

T = TypeVar("T")


class Background:
    """Runs functions each in a thread of its own, which ends with the process at the latest.

    A pool of threads would be waited for at the end of the process, however long an endpoint is
    silent.
    """

    def __init__(self) -> None:
        self._born = forks.generation()

    def start(self, work: Callable[[], T]) -> Future[T]:
        """Begin; the future has the outcome. Where no thread can be had, it is done at once."""
        future: Future[T] = Future()
        try:
            threading.Thread(
                target=_run, args=(future, work), name="workmill-submit", daemon=True
            ).start()
        except RuntimeError as error:
            if by_a_handler(error):
                raise
            _run(future, work)
        return future

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
