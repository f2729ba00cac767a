"""Words get through; those about a part of the store that is away hold up no other."""

from __future__ import annotations

from typing import cast

import pytest

from workmill.client.work import WorkClient
from workmill.domain.job import Completion, Verdict
from workmill.worker import delivery
from workmill.worker.delivery import Delivery
from workmill.worker.outbox import Outbox
from workmill.worker.reach import Reach


class Endpoint:
    """Answers `unavailable` for one job until it has been asked three times."""

    def __init__(self, away: bytes) -> None:
        self.away = away
        self.asked: list[list[bytes]] = []

    def complete(self, words: list[Completion]) -> list[Verdict]:
        self.asked.append([word.id for word in words])
        heal = len(self.asked) == 3
        return [
            Verdict.UNAVAILABLE if word.id == self.away and not heal else Verdict.APPLIED
            for word in words
        ]


def test_a_word_to_a_part_that_is_away_is_said_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others are settled at once; it is said until it is heard, and then no more."""
    monkeypatch.setattr(delivery, "AGAIN_SECONDS", 0.001)
    outbox, endpoint = Outbox(), Endpoint(away=b"b")
    outbox.put([Completion(id=one, token=1, state=b"") for one in (b"a", b"b", b"c")])
    outbox.close()
    Delivery(cast("WorkClient", endpoint), outbox, Reach()).run()
    assert endpoint.asked == [[b"a", b"b", b"c"], [b"b"], [b"b"]]
    assert len(outbox) == 0
