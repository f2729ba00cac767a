"""A load that cannot see a broken promise proves nothing: what it must notice."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest
from tests.http.client.live import Hands, Live
from tests.load.ledger import Judgement, Ledger
from tests.load.load import Load
from tests.load.load_clients import Failed, Submit, Work, new_works
from tests.load.on_stores import Stores, look
from tests.load.over_http import Raw, Sdk
from tests.redis_servers import running_redis, store_at
from tests.system.processes import free_port

ONE = Work(b"1", 3)


class Refusing:
    """Fails every third request for a reason, or at the end for none."""

    kind, repeats, between_seconds = "refusing", False, 0.0

    def __init__(self, breaks_at: int | None = None) -> None:
        self._count = 0
        self._breaks_at = breaks_at

    def works(self, chance: random.Random) -> list[Work]:
        return new_works(chance, (3, 3))

    @contextmanager
    def submitting(self, over: threading.Event) -> Iterator[Submit]:
        del over
        yield self._submit

    def _submit(self, works: Sequence[Work]) -> list[str]:
        self._count += 1
        if self._count == self._breaks_at:
            raise ValueError("it is broken")
        if self._count % 3 == 0:
            raise Failed("it is the third")
        return [work.name for work in works]


def test_each_broken_promise_is_seen() -> None:
    """A lost job, a wrong value and a second delivery are each counted as what they are."""
    ledger = Ledger(dict.fromkeys("abcd", ONE))
    ledger.deliver((name, ONE.value()) for name in "aac")
    ledger.deliver([("d", "0" * 128)])
    assert ledger.judge(Work.value) == Judgement(right=2, wrong=1, lost=1, twice=1)
    assert not ledger.outcome(Work.value).kept


def test_a_second_value_for_a_job_is_wrong() -> None:
    """Also when the right one came too, before it or after."""
    ledger = Ledger({"a": ONE})
    ledger.deliver([("a", "0" * 128), ("a", ONE.value())])
    assert ledger.judge(Work.value) == Judgement(right=0, wrong=1, lost=0, twice=1)


def test_failures_are_counted_with_their_reasons() -> None:
    """Of nine requests three fail; they count neither as acknowledged nor as lost."""
    with Load([Refusing()], each=9) as load:
        pass
    outcome = load.outcome()
    assert (outcome.acknowledged, outcome.judgement.lost) == (6, 6)
    assert (outcome.sent, outcome.failed) == ({"refusing": 9}, {"refusing": {"it is the third": 3}})
    assert outcome.failed_share("refusing") == 1 / 3
    assert outcome.failures("sdk") == 0


def test_a_thread_that_breaks_ends_the_load() -> None:
    """Nobody waits for what will not come, and the error is raised where the load is left."""
    with pytest.raises(ValueError, match="it is broken"), Load([Refusing(breaks_at=5)]) as load:
        load.wait_for(100)


def test_over_http_with_and_without_the_sdk(tmp_path: Path) -> None:
    """Both at once against one endpoint, and the SDK also where its first URL takes nobody: all
    is delivered, right and once."""
    live = Live(tmp_path)
    try:
        way = Sdk([f"http://127.0.0.1:{free_port()}", live.url], iterations=(2, 9))
        with (
            Hands(live.url),
            Load([way, Raw(live.url), Raw(live.url)], puller=way, each=50) as load,
        ):
            pass
    finally:
        live.stop()
    outcome = load.outcome()
    assert (outcome.kept, outcome.acknowledged) == (True, 150), outcome
    assert (outcome.sent, outcome.failed) == ({"sdk": 50, "raw": 100}, {})


def test_raw_requests_that_nobody_takes_have_failed() -> None:
    """Each is counted, and none is repeated."""
    with Load([Raw(f"http://127.0.0.1:{free_port()}")], each=7) as load:
        pass
    assert (load.outcome().sent, load.outcome().failed_share("raw")) == ({"raw": 7}, 1.0)


def test_raw_requests_that_are_refused_have_failed(tmp_path: Path) -> None:
    """In turns without an id and with one, and each refusal is counted as what it is."""
    live = Live(tmp_path, key=b"a key that nobody gives")
    try:
        with Load([Raw(live.url)], each=4) as load:
            pass
    finally:
        live.stop()
    assert load.outcome().failed == {"raw": {"401 to /enqueue": 2, "401 to /v1/jobs": 2}}


def test_on_a_store(tmp_path: Path) -> None:
    """Two threads submit, one works and one pulls: all is delivered, right and once, and a look
    finds every job, or misses it."""
    with running_redis(tmp_path) as server:
        opened = partial(store_at, server.address)
        way = Stores(opened, iterations=(2, 9), group_jobs=(1, 5))
        with Load([way] * 2, puller=way, workers=[way], each=10) as load:
            pass
        outcome = load.outcome()
        assert outcome.kept, outcome
        assert look(opened, load.ledger.acknowledged) == (outcome.acknowledged, 0, 0)
        server.ask("FLUSHALL")
        assert look(opened, load.ledger.acknowledged).lost == outcome.acknowledged
