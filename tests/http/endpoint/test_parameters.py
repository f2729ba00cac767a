"""Numbers are strict: a plain decimal within its bounds, or 422 and nothing stored."""

from __future__ import annotations

import json
import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.http.endpoint.conftest import Running, Start

from workmill.domain.errors import InvalidInput
from workmill.endpoint import query_params

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


@pytest.mark.parametrize(
    "unknown",
    [
        *(
            "x=1",
            "_=17&y",
            "label=caf%E9",
            "a=%zz&b=%&%=c",
            "%E9=1&%FF",
            "x&x&x=1&x=2",
            "&&&",
            "==",
        ),
        *(
            "nul=%00&%00=%00",
            "iteration=x;iterations",
            "Iterations=0",
            "iterations%00=0",
            "[]=&q[]",
        ),
        *("&".join(["x=1"] * 8000), "l=" + "%E9" * 18_000, "\\x=\"'`<>{}|^"),
    ],
    ids=lambda text: text[:20],
)
@pytest.mark.parametrize("place", ["before", "behind"])
def test_unknown_parameters_are_ignored(shared: Running, unknown: str, place: str) -> None:
    """Existing clients add parameters of their own: whatever they hold, and however many."""
    pair = (unknown, "iterations=3")
    query = "&".join(pair if place == "before" else reversed(pair))
    assert len(query) < 60_000
    reply = shared.raw(
        f"PUT /enqueue?{query} HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\n"
        "Connection: close\r\n\r\nx".encode()
    )
    assert reply.startswith(b"HTTP/1.1 200 "), reply[:500]


def test_unknown_headers_cookies_and_fields_are_ignored(shared: Running) -> None:
    """Nothing that is not ours is judged."""
    headers = [
        *(("Cookie", "a=\x80; =;;"), ("X-Iterations", "0"), ("Accept", "nothing/at-all")),
        *(("Accept-Encoding", "zstd;q=nonsense"), ("If-Match", "x"), ("Range", "bytes=9-1")),
    ]
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers]
    assert shared.http.put("/enqueue?iterations=3", content=b"x", headers=raw).status_code == 200
    body = b'{"receipt":"00","extra":{"deep":[1]},"":null}'
    assert shared.http.post("/v1/results/ack", content=body, headers=raw).status_code == 200


@pytest.mark.parametrize("query", ["iterations=%33", "iter%61tions=3", "%69terations=3"])
def test_a_known_parameter_may_be_escaped(shared: Running, query: str) -> None:
    """Escapes say the same (RFC 3986, section 2.3), and hide no second one."""
    assert shared.http.put(f"/enqueue?{query}", content=b"e").status_code == 200
    assert shared.http.put(f"/enqueue?{query}&iterations=3", content=b"e").status_code == 422


@pytest.mark.parametrize(
    "query",
    ["status=", "status=Queued", "status=%E9", "status=done&status=done", "after=", "limit=0"],
)
def test_a_listing_is_as_strict(shared: Running, query: str) -> None:
    """A known parameter that is empty, twice there or no UTF-8 is not taken for missing."""
    assert shared.http.get(f"/v1/jobs?{query}").status_code == 422


def test_the_cap_itself_is_taken(shared: Running) -> None:
    """The bounds are inclusive: 10^10 is work, one more is not."""
    reply = shared.http.put("/enqueue?iterations=10000000000", content=b"long work")
    assert reply.status_code == 200
    assert shared.http.delete(f"/v1/jobs/{reply.json()['id']}").status_code == 200


def test_a_service_may_take_less_than_the_cap(start: Start) -> None:
    """However a job is submitted, what it was set to is the most."""
    running = start(max_iterations=5)
    job = "/v1/jobs/01890000-0000-7000-8000-000000000001"
    for iterations, status in ((6, 422), (5, 200)):
        for path in ("/enqueue", job):
            reply = running.http.put(f"{path}?iterations={iterations}", content=b"%d" % iterations)
            assert reply.status_code == status
        line = json.dumps({"iterations": iterations, "data": "AAAA"})
        kind = {"Content-Type": "application/x-ndjson"}
        told = running.http.post("/v1/jobs", content=line, headers=kind).json()
        assert (told["status"] == "refused") == (status == 422), told
    assert running.stored() == 3


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
        taken = query_params.Whole(name="n", text="", low=1, high=10**10).read(query)
    except InvalidInput:
        assert not right
    else:
        assert right
        assert taken == int(text)


@given(st.binary(max_size=60))
def test_no_query_string_breaks_the_parser(query: bytes) -> None:
    """Any bytes are either understood or refused."""
    try:
        number = query_params.Whole(name="n", text="", low=1, high=50, default=7).read(query)
    except InvalidInput:
        return
    assert 1 <= number <= 50


@pytest.mark.parametrize(
    "text",
    ["-1", "1e2", "", "nan", "inf", "30.1", "0x1", "1.", ".5", "+1", " 1", "1_0", "01", "\u0661"],
)
def test_seconds_are_json_numbers(text: str) -> None:
    """Waits are bounded and strict as well."""
    with pytest.raises(InvalidInput):
        query_params.WAIT.read(f"wait={quote(text)}".encode())


@given(st.floats(0, 30) | st.integers(0, 30))
def test_seconds_are_taken_as_any_program_writes_them(seconds: float) -> None:
    """With an exponent where it is small."""
    assert query_params.WAIT.read(f"wait={seconds!r}".encode()) == seconds


@pytest.mark.parametrize(
    "query", ["priority=101", "priority=-101", "priority=-0", "workload=no", "workload="]
)
def test_priority_and_workload_are_checked(shared: Running, query: str) -> None:
    """A job that nobody could run, or run in order, is refused."""
    path = "/v1/jobs/01890000-0000-7000-8000-000000000002"
    assert shared.http.put(f"{path}?iterations=2&{query}", content=b"x").status_code == 422
