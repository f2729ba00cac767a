"""The thread that gets results, failures and hand-backs through, in the order they came.

One batch is on its way at a time; what gathers meanwhile is the next batch. A batch is offered
until it is answered. An answer that never arrived does no harm: asked again, the endpoint
calls the token stale, which is an answer too. A word about a job whose part of the store is away
is put off, and holds up no other.
"""

from __future__ import annotations

import threading
from functools import partial
from typing import Final, cast

from workmill.client.worker_client import WorkClient
from workmill.domain.errors import InvalidInput, Unavailable
from workmill.domain.ids import id_text
from workmill.domain.job import Completion, Failure, Release, Verdict
from workmill.domain.limits import MAX_LEASE_JOBS
from workmill.telemetry import emit
from workmill.worker.outage_retry import Reach
from workmill.worker.outbox import Outbox, Word

AGAIN_SECONDS: Final = 1.0
"""How long a word waits whose part of the store is away."""


class Delivery:
    """Empties the outbox. Ends when the outbox is closed and empty, or `give_up` is set."""

    def __init__(self, client: WorkClient, outbox: Outbox, reach: Reach) -> None:
        self.give_up = threading.Event()
        self._client = client
        self._outbox = outbox
        self._reach = reach

    def run(self) -> None:
        """The thread's body."""
        while not self.give_up.is_set() and (batch := self._outbox.take(MAX_LEASE_JOBS)):
            try:
                verdicts = self._insist(batch)
            except Unavailable:
                return  # given up: what is left stays counted in the outbox
            answered = list(zip(batch, verdicts, strict=True))
            again = [word for word, verdict in answered if verdict is Verdict.UNAVAILABLE]
            self._outbox.put_off(again, AGAIN_SECONDS)
            self._outbox.settle()
            refused = sum(v not in {Verdict.APPLIED, Verdict.UNAVAILABLE} for v in verdicts)
            if refused:
                emit("worker.words_refused", kind=type(batch[0]).__name__.lower(), jobs=refused)

    def _insist(self, words: list[Word]) -> list[Verdict]:
        """A word that no endpoint can read must not keep back the results beside it: what is
        refused as a whole is said in halves, and given up alone. Its lease runs out."""
        try:
            return self._reach.insist(partial(self._send, words), self.give_up)
        except InvalidInput as error:
            if len(words) == 1:
                job, why = id_text(words[0].id), error.detail
                emit("worker.words_unreadable", level="error", job=job, reason=why)
                return [Verdict.REFUSED]
            half = len(words) // 2
            return self._insist(words[:half]) + self._insist(words[half:])

    def _send(self, words: list[Word]) -> list[Verdict]:
        match words[0]:
            case Completion():
                return self._client.complete(cast("list[Completion]", words))
            case Failure():
                return self._client.fail(cast("list[Failure]", words))
            case Release():
                return self._client.release(cast("list[Release]", words))
