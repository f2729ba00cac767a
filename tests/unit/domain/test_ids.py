"""Ids are RFC 9562 UUIDs whose order is the order of their making."""

import os
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.domain.errors import InvalidInput
from workmill.domain.ids import id_text, new_id, parse_id


@given(st.integers(min_value=0, max_value=2**48 - 1))
def test_a_new_id_is_version_7_and_carries_its_millisecond(at_ms: int) -> None:
    made = uuid.UUID(bytes=new_id(lambda: at_ms))
    assert made.version == 7
    assert made.variant == uuid.RFC_4122
    assert made.int >> 80 == at_ms


def test_ids_made_in_one_millisecond_differ() -> None:
    assert len({new_id(lambda: 1) for _ in range(10_000)}) == 10_000


@given(st.uuids())
def test_text_and_bytes_are_the_same_id(value: uuid.UUID) -> None:
    assert id_text(value.bytes) == str(value)
    assert parse_id(str(value)) == value.bytes
    assert parse_id(value.hex.upper()) == value.bytes


NO_IDS = [
    *("", "1", "x" * 32, "g" * 36, "0" * 35, "{" + "0" * 34 + "}"),
    *("+" + "0" * 31, "0x" + "0" * 30, "0_" + "0" * 30, " " + "0" * 31, "0" * 32 + "\n"),
    *("\u0661" * 32, "0" * 31 + "-", "-" * 4 + "0" * 32, "0" * 8 + "-" + "0" * 24),
]


@pytest.mark.parametrize("text", NO_IDS)
def test_what_is_no_uuid_is_refused_in_words(text: str) -> None:
    with pytest.raises(InvalidInput, match="Nothing was stored"):
        parse_id(text)


def test_a_forked_child_makes_other_ids_than_its_parent() -> None:
    """The supply of random bytes must not be shared by two lives of one process."""
    new_id()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, b"".join(new_id(lambda: 1) for _ in range(50)))
        os._exit(0)
    mine = {new_id(lambda: 1) for _ in range(50)}
    os.waitpid(child, 0)
    theirs = os.read(reading, 50 * 16)
    os.close(reading)
    os.close(writing)
    assert len(theirs) == 50 * 16
    assert not mine & {theirs[i : i + 16] for i in range(0, len(theirs), 16)}


@pytest.mark.parametrize("now_ms", [-1, -(2**50), 2**48, 2**60])
def test_a_clock_that_is_far_off_still_gives_an_id(now_ms: int) -> None:
    """Before 1970, where a test has frozen it there, or thousands of years from now."""
    made = new_id(lambda: now_ms)
    assert len(made) == 16
    assert made[6] >> 4 == 7
    assert new_id(lambda: now_ms) != made
