"""Batches: whole, in order, bounded, and taken from the caller no sooner than needed."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from workmill.client.batches import cut, prepared, works
from workmill.client.payload import size_of
from workmill.client.values import Data, Work
from workmill.wire.messages import BatchItem, SubmitReply


@given(
    sizes=st.lists(st.integers(0, 40), max_size=60),
    max_jobs=st.integers(1, 10),
    max_bytes=st.integers(1, 100),
)
def test_batches_hold_everything_once_and_keep_their_bounds(
    sizes: list[int], max_jobs: int, max_bytes: int
) -> None:
    """No item is lost, doubled or moved; only an item too large for any batch passes the bound."""
    stream = [Work(bytes(size), index + 1) for index, size in enumerate(sizes)]
    batches = list(cut(stream, max_jobs, max_bytes))
    assert [work for batch in batches for work in batch] == stream
    for batch in batches:
        assert 1 <= len(batch) <= max_jobs
        assert len(batch) == 1 or sum(size_of(work.data) or 0 for work in batch) <= max_bytes


def test_the_stream_is_read_one_item_ahead_at_most() -> None:
    """Backpressure reaches the caller's generator: what is not needed yet is not made yet."""
    made = 0

    def endless() -> Iterator[Work]:
        nonlocal made
        while True:
            made += 1
            yield Work(b"x", 1)

    batches = cut(endless(), max_jobs=10)
    assert made == 0
    next(batches)
    assert made == 11


def test_each_kind_of_data_travels_as_its_bytes(tmp_path: Path) -> None:
    """Bytes, a mutable buffer, a slice of one and a file with the same content are the same."""
    file = tmp_path / "data"
    file.write_bytes(b"same")
    kinds: list[Data] = [b"same", bytearray(b"same"), memoryview(b"xsame")[1:], file]
    items = prepared([Work(data, 1) for data in kinds], "sha512", fold_locally=False)
    sent = [bytes(item.data or b"") for item in items if isinstance(item, BatchItem)]
    assert sent == [b"same"] * 4


def test_bare_data_takes_what_was_said_for_all_and_work_keeps_its_own() -> None:
    """Mixed items are allowed; only bare data needs `iterations`."""
    own = Work(b"b", 9, priority=-5)
    assert list(works([b"a", own], 3, 7)) == [Work(b"a", 3, priority=7), own]
    assert list(works([own], None, 0)) == [own]
    (refused,) = prepared(list(works([b"a"], None, 0)), "sha512", fold_locally=False)
    assert isinstance(refused, SubmitReply)
    assert "iterations" in str(refused.problem)


def test_a_given_id_is_kept_in_canonical_form() -> None:
    """An id that is no UUID is refused before anything is sent, under the name it has."""
    text = "01936F3C8D2A7CC398C4DC0C0C07398F"
    ids: list[str | uuid.UUID] = [text, uuid.UUID(text), "mine"]
    items = prepared([Work(b"", 1, given) for given in ids], "sha512", fold_locally=False)
    canonical = "01936f3c-8d2a-7cc3-98c4-dc0c0c07398f"
    assert [item.id for item in items] == [canonical, canonical, "mine"]
    assert isinstance(items[2], SubmitReply)
    assert "not a UUID" in str(items[2].problem)
