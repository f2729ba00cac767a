"""Every raw request gets its right answer, however it is cut, and whatever stands around it."""

from __future__ import annotations

import random

import pytest
from tests.http.endpoint.conftest import Running
from tests.http.endpoint.raw_lines import cut, responses, talk
from tests.http.endpoint.requests import CASES, DATA, GOOD, REFUSED, Raw
from tests.system.service_definition import value_of

VALUE = value_of(DATA, 1).encode()
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
BEFORE = b"GET /readyz HTTP/1.1\r\nHost: x\r\n\r\n"
MAX_CUT_BYTES = 2000
"""Requests above this are cut at some places, not at every one."""

every = pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)


def _check(case: Raw, raw: bytes, *, before: int = 0) -> None:
    """The answer is the right one, and it is whole; where the connection goes on, the request
    behind it is answered too, and where not, nothing else is."""
    found = responses(raw)
    assert [one.status for one in found[:before]] == [200] * before
    found = found[before:]
    assert found[0].status == case.status, found[0]
    if case.stored:
        assert VALUE in found[0].body
    if case.closes:
        assert len(found) == 1, "something behind a refused request was read as a request"
        assert found[0].headers["connection"] == "close"
    else:
        assert [one.status for one in found[1:]] == [200]


def _sent(case: Raw) -> bytes:
    return case.sent + LAST


@every
def test_in_one_write(shared: Running, case: Raw) -> None:
    """And another request behind it, in the same segment."""
    stored = shared.stored()
    _check(case, talk(shared.port, [_sent(case)]))
    assert shared.stored() - stored == case.stored


@every
def test_pipelined_behind_a_good_request(shared: Running, case: Raw) -> None:
    """What came before changes nothing."""
    _check(case, talk(shared.port, [BEFORE + BEFORE + _sent(case)]), before=2)


@every
def test_byte_by_byte(shared: Running, case: Raw) -> None:
    """Each byte a segment of its own; of long ones the first and the last."""
    raw = _sent(case)
    whole, ends = raw[MAX_CUT_BYTES // 2 : -MAX_CUT_BYTES // 2], len(raw) > MAX_CUT_BYTES
    pieces = [raw[at : at + 1] for at in range(len(raw))]
    if ends:
        half = MAX_CUT_BYTES // 2
        pieces = [*pieces[:half], whole, *pieces[-half:]]
    _check(case, talk(shared.port, pieces))


@every
def test_cut_in_two_at_every_place(shared: Running, case: Raw) -> None:
    """One segment boundary, wherever it falls (in long requests, at some places)."""
    raw = _sent(case)
    places = range(1, len(case.sent))
    if len(raw) > MAX_CUT_BYTES:
        places = random.Random(case.name).sample(places, 30)  # type: ignore[assignment]
    for place in places:
        _check(case, talk(shared.port, cut(raw, [place])))


@every
def test_with_the_callers_side_closed(shared: Running, case: Raw) -> None:
    """Who sends and shuts down his side reads the whole answer, to the last request he sent."""
    _check(case, talk(shared.port, [_sent(case)], half_close=True))


def test_the_table_is_sound() -> None:
    """Names are unique; what is stored is right and what is refused is not."""
    assert len({case.name for case in CASES}) == len(CASES)
    assert not any(case.stored for case in REFUSED)
    assert any(case.stored for case in GOOD)
