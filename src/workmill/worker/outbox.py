"""Words about jobs that no endpoint has taken yet: results, failures, jobs handed back.

Safe for threads: any number put, one takes. A word stays counted until the endpoint has
answered for it (`settle`), so that whoever bounds the worker's memory sees it.
"""

from __future__ import annotations

import threading
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
        self._taken = 0
        self._closed = False

    def __len__(self) -> int:
        with self._changed:
            return len(self._words) + self._taken

    def put(self, words: Iterable[Word]) -> None:
        """Add words at the end."""
        with self._changed:
            self._words.extend(words)
            self._changed.notify_all()

    def take(self, max_words: int) -> list[Word]:
        """Wait for words and take those at the front that are of one kind; none once the outbox
        is closed and empty. What was taken last must be settled first."""
        with self._changed:
            self._changed.wait_for(lambda: self._words or self._closed)
            kind = type(self._words[0]) if self._words else None
            same = takewhile(lambda word: type(word) is kind, self._words)
            batch = list(islice(same, max_words))
            for _ in batch:
                self._words.popleft()
            self._taken = len(batch)
            return batch

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
