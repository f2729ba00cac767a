"""Numbers are strict: a plain decimal within its bounds, or 422 and nothing stored."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.endpoint.conftest import Running

from workmill.domain.errors import InvalidInput
from workmill.endpoint import params

BAD_NUMBERS = [
    *("", " ", "0", "-1", "+1", "1.0", "1.5", "1e3", "0x10", "01", "1 ", " 1", "1_000", "1,000"),
    *("true", "True", "none", "NaN", "inf", "12345678901234567890", "99999999999999999999"),
    *("\u0661", "\u00b2", "\uff11", "10000000001", "1\x00", "1;2", "one"),
]


@pytest.mark.parametrize("number", BAD_NUMBERS)
@pytest.mark.parametrize(
    ("method", "path", "name"),
    [
        ("PUT", "/enqueue", "iterations"),
        ("PUT", "/v1/jobs/01890000-0000-7000-8000-000000000001", "iterations"),
        ("POST", "/pullCompleted", "top"),
        ("POST", "/v1/results/pull", "top"),
    ],
)
def test_what_is_no_plain_number_is_refused(
    shared: Running, method: str, path: str, name: str, number: str
) -> None:
    """Floats, signs, blanks, bools, twenty digits, other scripts: 422, nothing stored."""
    before = shared.stored()
    reply = shared.http.request(method, f"{path}?{name}={quote(number)}", content=b"data")
    assert reply.status_code == 422
    assert reply.headers["content-type"] == "application/problem+json"
    assert reply.json()["type"] == "urn:workmill:problem:invalid-input"
    assert shared.stored() == before


@pytest.mark.parametrize("query", ["", "?", "?iteration=3", "?Iterations=3", "?iterations"])
def test_a_missing_number_is_refused(shared: Running, query: str) -> None:
    """There is no default for how much work was meant."""
    before = shared.stored()
    assert shared.http.put(f"/enqueue{query}", content=b"data").status_code == 422
    assert shared.stored() == before


@pytest.mark.parametrize("query", ["iterations=3&iterations=3", "iterations=3&iterations=4"])
def test_a_number_given_twice_is_refused(shared: Running, query: str) -> None:
    """Nobody could say which was meant."""
    assert shared.http.put(f"/enqueue?{query}", content=b"data").status_code == 422


@pytest.mark.parametrize("query", ["x=1&iterations=3", "iterations=3&_=17&y", "iterations=%33"])
def test_unknown_parameters_are_ignored(shared: Running, query: str) -> None:
    """Existing clients add parameters of their own."""
    assert shared.http.put(f"/enqueue?{query}", content=query.encode()).status_code == 200


def test_the_cap_itself_is_taken(shared: Running) -> None:
    """The bounds are inclusive: 10^10 is work, one more is not."""
    reply = shared.http.put("/enqueue?iterations=10000000000", content=b"long work")
    assert reply.status_code == 200
    assert shared.http.delete(f"/v1/jobs/{reply.json()['id']}").status_code == 200


def test_asking_for_more_than_there_is(shared: Running) -> None:
    """`top` may exceed what is finished; what there is comes, and an empty list when nothing."""
    shared.pull(10_000)
    assert shared.pull(10_000) == []


@given(text=st.text(max_size=24) | st.from_regex(r"[-+ ]?[0-9]{1,20}(\.[0-9])?", fullmatch=True))
def test_only_canonical_decimals_in_bounds_pass(text: str) -> None:
    """For any text at all: it is taken exactly when it is a canonical decimal within bounds."""
    query = f"n={quote(text)}".encode()
    right = re.fullmatch(r"[1-9][0-9]*", text, re.ASCII) and int(text) <= 10**10
    try:
        taken = params.integer(query, "n", 1, 10**10)
    except InvalidInput:
        assert not right
    else:
        assert right
        assert taken == int(text)


@given(st.binary(max_size=60))
def test_no_query_string_breaks_the_parser(query: bytes) -> None:
    """Any bytes are either understood or refused."""
    try:
        number = params.integer(query, "n", 1, 50, default=7)
    except InvalidInput:
        return
    assert 1 <= number <= 50


@pytest.mark.parametrize(
    "text", ["-1", "1e1", "", "nan", "inf", "30.1", "0x1", "1.", ".5", "\u0661"]
)
def test_seconds_are_plain_decimals(text: str) -> None:
    """Waits are bounded and strict as well."""
    with pytest.raises(InvalidInput):
        params.seconds(f"wait={quote(text)}".encode(), "wait", 30.0, 0.0)


@pytest.mark.parametrize("query", ["priority=101", "priority=-101", "priority=-0", "workload=no"])
def test_priority_and_workload_are_checked(shared: Running, query: str) -> None:
    """A job that nobody could run, or run in order, is refused."""
    path = "/v1/jobs/01890000-0000-7000-8000-000000000002"
    assert shared.http.put(f"{path}?iterations=2&{query}", content=b"x").status_code == 422
