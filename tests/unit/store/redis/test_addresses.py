"""What a person may write after `--store`, and what they are told when they may not."""

from __future__ import annotations

import pytest

from workmill.domain.errors import InvalidInput
from workmill.store.redis.addresses import Access, Address, Node, Tls, parse_addresses


def parsed(text: str) -> Address:
    (address,) = parse_addresses(text)
    return address


@pytest.mark.parametrize(
    ("text", "nodes"),
    [
        ("redis://db", [("db", 6379)]),
        ("redis://10.0.0.7:7000/", [("10.0.0.7", 7000)]),
        ("redis://db/0", [("db", 6379)]),
        ("redis://[::1]:7000", [("::1", 7000)]),
        ("redis+unix:///run/redis.sock", [("/run/redis.sock", 0)]),
        ("redis+sentinel://a,b:7,[fe80::1]/mill", [("a", 26379), ("b", 7), ("fe80::1", 26379)]),
    ],
)
def test_each_kind_of_address_is_understood(text: str, nodes: list[tuple[str, int]]) -> None:
    """Host, port, socket and Sentinels, with the usual ports where none is written."""
    address = parsed(text)
    assert address.nodes == tuple(Node(*node) for node in nodes)
    assert address.name == ("mill" if "sentinel" in text else None)


def test_user_password_and_tls_are_taken_apart() -> None:
    """What is written in percent signs is meant as what it stands for."""
    text = "rediss://mill:p%40ss@db?ca_file=/ca.pem&cert_file=/c.pem&key_file=/k.pem"
    tls = Tls(ca_file="/ca.pem", cert_file="/c.pem", key_file="/k.pem")
    assert parsed(text).access == Access(user="mill", password="p@ss", tls=tls)  # noqa: S106
    assert parsed("rediss+sentinel://a,b,c/mill").access.tls == Tls()
    by_file = parsed("redis://mill@db?password_file=/etc/mill.key").access
    assert (by_file.user, by_file.password_file) == ("mill", "/etc/mill.key")


def test_whose_hosts_are_watched_is_said_in_the_address() -> None:
    """What `prepare` writes; nobody else's address says so."""
    assert parsed("redis+sentinel://e@a,b,c/mill?settings=kept&password_file=/p").kept
    assert not parsed("redis+sentinel://a,b,c/mill").kept


def test_a_password_is_shown_nowhere() -> None:
    """Addresses stand in logs and errors; a password must not."""
    address = parsed("redis://mill:hush@db")
    assert "hush" not in f"{address} {address!r}"
    with pytest.raises(InvalidInput) as caught:
        parse_addresses("redis://mill:hush@db:0:0")
    assert "hush" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    ["redis://u:hu/sh@db", "redis://u:hu?sh@db", "redis://u:hu@sh@db", "redis://u:hu#sh@db:0"],
)
def test_a_password_that_was_not_escaped_is_not_shown(text: str) -> None:
    """Whatever parts the address there; and it is said how it must be written."""
    with pytest.raises(InvalidInput, match="%40") as caught:
        parse_addresses(text)
    assert "sh@" not in str(caught.value)
    assert "hu" not in str(caught.value)


@pytest.mark.parametrize(
    "texts",
    ["redis://a,redis://b:1", ["redis://a", "redis://b:1"], ["redis://a,redis://b:1"]],
)
def test_several_addresses_are_partitions(texts: str | list[str]) -> None:
    """By comma or by repetition, in the order given."""
    assert [str(one) for one in parse_addresses(texts)] == ["redis://a:6379", "redis://b:1"]


def test_partitions_may_each_have_sentinels() -> None:
    """The comma between Sentinels is not the one between partitions."""
    text = "redis+sentinel://a,b,c/one,redis+sentinel://a,b,c/two"
    assert [address.name for address in parse_addresses(text)] == ["one", "two"]


@pytest.mark.parametrize(
    ("texts", "why"),
    [
        ([], "No store address"),
        ("db:6379", "begin with"),
        ("http://db", "begin with"),
        ("redis://", "no host"),
        ("redis://db:0", "no host"),
        ("redis://db:99999", "no host"),
        ("redis://a..b", "no host"),
        ("redis://" + "a" * 70, "no host"),
        ("redis://db#1", "no host"),
        ("redis://db:\uff16", "no host"),
        ("redis://[fe80::1%eth0]", "no host"),
        ("redis://db?password_file=/a&password_file=/b", "option twice"),
        ("redis+unix:///run/a%00b", "path of a socket"),
        ("redis+sentinel://A,a/mill", "twice"),
        ("redis://db/3", "only database 0"),
        ("redis://a,b", "each partition"),
        ("redis+sentinel://a,b,c", "the name they watch"),
        ("redis+sentinel://a,a/mill", "twice"),
        ("redis+unix://", "path of a socket"),
        ("redis://db?ca_file=/ca.pem", "rediss"),
        ("rediss://db?key_file=/k.pem", "certificate"),
        ("redis://db?timeout=3", "it takes"),
        ("redis://db?settings=kept", "for Sentinels"),
        ("redis+sentinel://a/mill?settings=lost", "it takes"),
        ("redis+sentinel://a/mill?settings=kept&settings=kept", "twice"),
        ("redis://db?password_file=", "it takes"),
        ("redis://:p@db?password_file=/f", "both"),
        (["redis://db", "redis://db:6379"], "given twice"),
    ],
)
def test_what_is_no_address_is_refused_with_a_reason(texts: str | list[str], why: str) -> None:
    """A typing error is told at the start, in words that say what to change."""
    with pytest.raises(InvalidInput, match=why):
        parse_addresses(texts)
