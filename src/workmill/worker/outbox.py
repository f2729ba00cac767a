"""Words about jobs that no endpoint has taken yet: results, failures, jobs handed back.

Safe for threads: any number put, one takes. A word stays counted until the endpoint has
answered for it (`settle`), so that whoever bounds the worker's memory sees it. Words that must
wait are put off: they lie aside for a while, and those that come meanwhile pass them.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterable
from itertools import islice, takewhile

from workmill.domain.job import Completion, Failure, Release

Word = Completion | Failure | Release


class Outbox:
    """A queue of words, taken in batches of one kind."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._words: deque[Word] = deque()
        self._aside: list[Word] = []
        self._aside_until = 0.0
        self._taken = 0
        self._closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._words) + len(self._aside) + self._taken

    def put(self, words: Iterable[Word]) -> None:
        """Add words at the end."""
        with self._changed:
            self._words.extend(words)
            self._changed.notify_all()

    def put_off(self, words: Iterable[Word], seconds: float) -> None:
        """Add words that are not to be taken before that time is over."""
        with self._changed:
            if not self._aside:
                self._aside_until = time.monotonic() + seconds
            self._aside.extend(words)

    def take(self, max_words: int) -> list[Word]:
        """Wait for words and take those at the front that are of one kind; none once the outbox
        is closed and empty. What was taken last must be settled first."""
        with self._changed:
            while not self._words and (self._aside or not self._closed):
                self._changed.wait(self._rest_seconds())
                self._bring_back()
            self._bring_back()
            kind = type(self._words[0]) if self._words else None
            same = takewhile(lambda word: type(word) is kind, self._words)
            batch = list(islice(same, max_words))
            for _ in batch:
                self._words.popleft()
            self._taken = len(batch)
            return batch

    def _rest_seconds(self) -> float | None:
        return max(0.0, self._aside_until - time.monotonic()) if self._aside else None

    def _bring_back(self) -> None:
        if self._aside and not self._rest_seconds():
            self._words.extend(self._aside)
            self._aside.clear()

    def settle(self) -> None:
        """The endpoint has answered for what was taken last."""
        with self._changed:
            self._taken = 0
            self._changed.notify_all()

    def close(self) -> None:
        """No more words will come: `take` ends when it has given out what is here."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
