"""Words get through; those about a part of the store that is away hold up no other."""

from __future__ import annotations

from threading import Thread
from typing import cast

import pytest
from tests.system.processes import until

from workmill.client.worker_client import WorkClient
from workmill.domain.job import Completion, Verdict
from workmill.domain.limits import MAX_LEASE_JOBS
from workmill.worker import delivery
from workmill.worker.delivery import Delivery
from workmill.worker.outage_retry import Reach
from workmill.worker.outbox import Outbox


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


class TwoParts:
    """One part is away until the other one has taken the last word."""

    def __init__(self, outbox: Outbox) -> None:
        self.outbox = outbox
        self.taken: list[bytes] = []

    def complete(self, words: list[Completion]) -> list[Verdict]:
        if all(word.id.startswith(b"away") for word in words) and b"last" not in self.taken:
            self.outbox.put([Completion(id=b"last", token=1, state=b"")])
            return [Verdict.UNAVAILABLE] * len(words)
        self.taken += [word.id for word in words]
        return [Verdict.APPLIED] * len(words)


def test_words_that_wait_are_passed_by_those_that_come() -> None:
    """However many there are: a word to a part that is there is not asked to wait with them."""
    outbox = Outbox()
    waiting = [b"away%d" % number for number in range(3 * MAX_LEASE_JOBS)]
    outbox.put([Completion(id=one, token=1, state=b"") for one in waiting])
    endpoint = TwoParts(outbox)
    thread = Thread(target=Delivery(cast("WorkClient", endpoint), outbox, Reach()).run)
    thread.start()
    until(lambda: len(endpoint.taken) == len(waiting) + endpoint.taken.count(b"last"))
    outbox.close()
    thread.join()
    assert endpoint.taken[0] == b"last"
    assert sorted(set(endpoint.taken) - {b"last"}) == sorted(waiting)


def test_who_gives_up_leaves_what_has_to_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that drains does not wait for a part longer than it may; the words stay counted."""
    monkeypatch.setattr(delivery, "AGAIN_SECONDS", 0.001)
    outbox = Outbox()
    outbox.put([Completion(id=b"away", token=1, state=b"")])
    outbox.close()

    class Away:
        def complete(self, words: list[Completion]) -> list[Verdict]:
            asked.append(len(words))
            if len(asked) == 3:
                delivering.give_up.set()
            return [Verdict.UNAVAILABLE] * len(words)

    asked: list[int] = []
    delivering = Delivery(cast("WorkClient", Away()), outbox, Reach())
    delivering.run()
    assert (asked, len(outbox)) == ([1, 1, 1], 1)
