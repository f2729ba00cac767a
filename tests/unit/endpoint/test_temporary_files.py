"""Where a batch lies while it is decoded and folded."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from workmill.endpoint.batch_submit import _scratch


def test_a_batch_under_way_is_not_touched_by_another_thread() -> None:
    """Two batches that are folded side by side lie apart."""
    mine = _scratch.joined([b"mi", b"ne"])
    with ThreadPoolExecutor(1) as other:
        theirs = other.submit(_scratch.joined, [b"them"]).result()
        assert (bytes(mine), bytes(theirs)) == (b"mine", b"them")


def test_a_short_batch_sees_nothing_of_the_long_one_before() -> None:
    """The room is used again, what lay in it is not."""
    _scratch.joined([b"a long batch"])
    assert bytes(_scratch.joined([b"sho", b"rt"])) == b"short"


def test_nothing_can_write_through_what_it_gives() -> None:
    """A workload that folds a view cannot change its neighbour's data."""
    assert _scratch.joined([b"data"]).readonly
