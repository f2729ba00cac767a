"""Figures of a store that is made of parts, while some of them are away."""

from __future__ import annotations

import msgspec

from workmill.domain.job import COUNTERS, Stats
from workmill.domain.lifecycle import Status
from workmill.store.sharded.merge import figures


def told(count: int, oldest_ms: int | None) -> Stats:
    """A part with so much of everything."""
    counters = dict.fromkeys(COUNTERS, count)
    jobs = dict.fromkeys(map(str, Status), count)
    return msgspec.convert({"jobs": jobs, "oldest_queued_at_ms": oldest_ms, **counters}, Stats)


def test_what_a_part_that_is_away_holds_is_in_no_figure() -> None:
    """Nobody can tell what it holds by now; but no total falls, and the part is named."""
    here, away = told(3, 2000), told(40, 1000)
    found = figures(now=[here], last=[here, away], unavailable=("part 1",))
    assert found.unavailable == ("part 1",)
    assert set(found.jobs.values()) == {3}
    assert (found.backlog_iterations, found.oldest_queued_at_ms) == (3, 2000)
    assert (found.known_jobs, found.known_bytes) == (3, 3)
    assert {getattr(found, name) for name in COUNTERS if name.endswith("_total")} == {43}
