"""Placement is stable, even, and moves only what it must; ids say where their jobs are."""

from __future__ import annotations

import hashlib
from collections import Counter

import pytest

from workmill.domain.ids import mark, marked, new_id
from workmill.store.sharded.placement import MAX_PARTS, home, place

KEYS = [hashlib.blake2b(b"%d" % number, digest_size=32).digest() for number in range(20_000)]


def test_placement_is_the_same_for_ever() -> None:
    """A job that was submitted years ago is where it was put: these values may never change."""
    assert [place(key, 64) for key in KEYS[:8]] == PLACED
    assert [home(key[:16], 64) for key in KEYS[:8]] == HOMES


PLACED = [27, 9, 0, 29, 26, 58, 35, 0]
HOMES = [43, 11, 59, 30, 12, 58, 9, 58]


@pytest.mark.parametrize("parts", [2, 3, 16, MAX_PARTS])
def test_every_part_gets_its_share(parts: int) -> None:
    """Within five standard deviations of an even spread."""
    share = len(KEYS) / parts
    for placed in (
        Counter(place(key, parts) for key in KEYS),
        Counter(home(key[:16], parts) for key in KEYS),
    ):
        assert set(placed) == set(range(parts))
        assert all(abs(count - share) < 5 * share**0.5 for count in placed.values())


@pytest.mark.parametrize("parts", [1, 2, 10, 63])
def test_a_new_part_takes_its_share_and_nothing_else_moves(parts: int) -> None:
    """Work that does not go to the new part stays where work like it was."""
    moved = [key for key in KEYS if place(key, parts) != place(key, parts + 1)]
    assert {place(key, parts + 1) for key in moved} == {parts}
    share = len(KEYS) / (parts + 1)
    assert abs(len(moved) - share) < 5 * share**0.5


@pytest.mark.parametrize("part", [0, 1, 31, 63])
def test_an_id_says_its_part(part: int) -> None:
    """It stays a UUID of version 7, made at the same time."""
    plain = new_id()
    named = mark(plain, part)
    assert marked(named) == part
    assert (named[:6], named[6] >> 4, named[8:]) == (plain[:6], 7, plain[8:])


def test_few_foreign_ids_look_marked() -> None:
    """One version 7 id in 64 may send us to the wrong part first; other versions never do."""
    foreign = sum(marked(new_id()) is not None for _ in range(20_000))
    assert 200 < foreign < 450
    fourth = [new_id()[:6] + b"\x4f" + new_id()[7:] for _ in range(1000)]
    assert not any(marked(one) is not None for one in fourth)
