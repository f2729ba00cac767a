"""Callers without an SDK: each has one connection, sends the next request after the answer, and
repeats nothing. What is not answered with 200 has failed."""

from __future__ import annotations

import http.client
import threading
from types import TracebackType
from typing import NamedTuple, Self

from tests.system.processes import until

from workmill.domain.ids import id_text, new_id

CALLERS = 8
BODY = b"0123456789abcdef" * 4
ANSWER_SECONDS = 60.0


class Tally(NamedTuple):
    """What became of the requests. `acknowledged` are the ids that were answered with 200."""

    sent: int
    failed: list[str]
    acknowledged: list[str]


class Load:
    """From entering to leaving, or until each caller has sent `each` requests."""

    def __init__(self, port: int, each: int) -> None:
        self._port = port
        self._each = each
        self._enough = threading.Event()
        self._sent = 0
        self._failed: list[str] = []
        self._acknowledged: list[str] = []
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._call) for _ in range(CALLERS)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is not None:
            self._enough.set()
        for thread in self._threads:
            thread.join()

    def stop(self) -> None:
        """Let the callers end."""
        self._enough.set()

    def wait_for(self, more: int) -> None:
        """Return when that many more requests have been answered, well or not."""
        goal = min(self._sent + more, CALLERS * self._each)
        until(lambda: self._sent >= goal)

    def tally(self) -> Tally:
        return Tally(self._sent, self._failed, self._acknowledged)

    def _call(self) -> None:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=ANSWER_SECONDS)
        for number in range(self._each):
            if self._enough.is_set():
                break
            job_id = id_text(new_id())
            path = f"/v1/jobs/{job_id}?iterations=1" if number % 2 else "/enqueue?iterations=1"
            problem = _attempt(connection, path)
            with self._lock:
                self._sent += 1
                if problem is not None:
                    self._failed.append(problem)
                elif number % 2:
                    self._acknowledged.append(job_id)
        connection.close()


def _attempt(connection: http.client.HTTPConnection, path: str) -> str | None:
    try:
        connection.request("PUT", path, BODY)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException) as error:
        connection.close()
        return repr(error)
    return None if answer.status == 200 else f"{answer.status} to {path.partition('?')[0][:9]}"
