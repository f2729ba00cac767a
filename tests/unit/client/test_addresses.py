"""Several endpoints: stay with the one that answers, go round when it does not."""

from __future__ import annotations

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
    ],
)
def test_what_is_no_url_is_refused_at_once(urls: str | list[str]) -> None:
    """A typing error is told when the client is made, not at the first request."""
    with pytest.raises(InvalidInput):
        Addresses(urls)


def test_a_trailing_slash_makes_no_difference() -> None:
    """Paths are absolute, so a base URL ends without one."""
    assert list(Addresses("http://a:1/").in_turn()) == ["http://a:1"]
