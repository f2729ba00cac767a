"""Several endpoints: stay with the one that answers, go round when it does not."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workmill.client.addresses import Addresses
from workmill.domain.errors import InvalidInput

URLS = ["http://a:1", "https://b", "http://c:3/base"]


@given(avoided=st.lists(st.sampled_from(URLS), max_size=20))
def test_every_address_is_always_tried_once(avoided: list[str]) -> None:
    """Whatever failed before, none is forgotten, and the last one that failed is not first."""
    addresses = Addresses(URLS)
    for url in avoided:
        addresses.avoid(url)
    turn = list(addresses.in_turn())
    assert sorted(turn) == sorted(URLS)
    assert not avoided or turn[0] != avoided[-1]


def test_a_late_word_about_a_dead_endpoint_changes_nothing() -> None:
    """A thread that met an old failure does not lead the others away from the one that works."""
    addresses = Addresses(URLS)
    addresses.avoid("http://a:1")
    addresses.avoid("https://b")
    addresses.avoid("http://a:1")
    assert next(addresses.in_turn()) == "http://c:3/base"


@pytest.mark.parametrize(
    "urls",
    [
        [],
        "",
        "localhost:5000",
        "ftp://a",
        "http://",
        ["http://a", "b"],
        "http://[::1:5000",
        "http://::1",
        "http://[::g]",
        "http://[127.0.0.1]",
        "http://a..b",
        "http://.a",
        "http://a/" + "x" * 2048,
        "http://-a",
        "http://" + "a" * 64,
        "http://" + ".".join(["a" * 60] * 5),
        "http://h:99999",
        "http://h:0",
        "http://h:-1",
        "http://h:x",
        "http://h:５",
        "http://h:80:80",
        "http://u:secret@host",
        "http://@host",
        "http://host?x=1",
        "http://host?",
        "http://host#here",
        "http://host/a/../b",
        "http://host/a b",
        "http://host/\\b",
        "http://host\\b",
        "http://host/%zz\u00e9",
        " http://host",
        "http://host\n",
        "http://ho\tst",
        "http://host\0",
        "http://host\u00a0",
        "http:///path",
        "http:host",
        "//host",
        "ws://host",
        "http://\ud800",
        "http://xn--\u00e9",
        b"http://host",
        5,
        None,
        [5],
        [b"http://host"],
        {"http://a": 1, 5: 2},
    ],
)
def test_what_is_no_url_is_refused_at_once(urls: Any) -> None:
    """A typing error is told when the client is made, in one sentence and no library's; a password
    is never repeated."""
    with pytest.raises(InvalidInput) as raised:
        Addresses(urls)
    assert "secret" not in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["http://a", "http://a/", "http://b"], ["http://a", "http://b"]),
        (["http://A", "HTTP://a:80", "http://a:080//"], ["http://a"]),
        (["https://a:443", "https://a", "http://a:443"], ["https://a", "http://a:443"]),
        (["http://[::1]:5000", "http://[0:0::1]:5000/"], ["http://[::1]:5000"]),
        (["http://b\u00fccher.example"], ["http://xn--bcher-kva.example"]),
        (("http://my_host.local.",), ["http://my_host.local."]),
        (iter(["http://a/x", "http://a/X"]), ["http://a/x", "http://a/X"]),
    ],
)
def test_what_means_the_same_is_one_address(given: Any, kept: list[str]) -> None:
    """So that the next in turn is another one."""
    assert list(Addresses(given).in_turn()) == kept


def test_a_trailing_slash_makes_no_difference() -> None:
    """Paths are absolute, so a base URL ends without one."""
    assert list(Addresses("http://a:1/").in_turn()) == ["http://a:1"]
