"""A kernel that computes wrongly on this machine is never used."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from workmill.doctor import kernel as doctor
from workmill.workloads.sha512 import kernel
from workmill.workloads.sha512.self_test import chain, is_right

LANES = 9


def advance(states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
    return [chain(state, count) for state, count in zip(states, counts, strict=True)]


def fold(bodies: Sequence[bytes]) -> list[bytes]:
    return [hashlib.sha512(body).digest() for body in bodies]


def spoilt(values: list[bytes], place: int) -> list[bytes]:
    """The same values with one bit of one of them turned."""
    values[place] = bytes([values[place][0] ^ 1]) + values[place][1:]
    return values


def test_what_gives_hashlibs_bytes_is_right() -> None:
    assert is_right(advance, fold, LANES)


@pytest.mark.parametrize("lane", range(LANES))
def test_one_wrong_bit_in_any_lane_is_seen(lane: int) -> None:
    assert not is_right(lambda *given: spoilt(advance(*given), LANES + lane), fold, LANES)


def test_one_wrong_bit_of_a_fold_is_seen() -> None:
    assert not is_right(advance, lambda bodies: spoilt(fold(bodies), 3), LANES)


def test_a_variant_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    """The best of the others computes; hashlib is there always."""
    right = kernel.advance_with

    def wrong_in_the_best(name: str, states: Sequence[bytes], counts: Sequence[int]) -> list[bytes]:
        values = right(name, states, counts)
        return spoilt(values, 1) if name == kernel.BEST else values

    monkeypatch.setattr(kernel, "advance_with", wrong_in_the_best)
    expected = [name for name in kernel.OFFERED if name == kernel.HASHLIB or name != kernel.BEST]
    assert list(kernel.trusted(kernel.OFFERED)) == expected


def test_the_doctor_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "OFFERED", {**kernel.VARIANTS, "broken": 9})
    finding = doctor.kernel()
    assert finding.verdict == "mend"
    assert "broken" in finding.said
