"""Closed by default: the key, and what may be reached without it."""

from __future__ import annotations

import socket

import pytest
from tests.http.endpoint.conftest import Start

from workmill.domain.errors import InvalidInput
from workmill.endpoint import check_exposure
from workmill.endpoint.routes import OPERATIONS

OPEN = {"/healthz", "/readyz", "/openapi.json", "/docs", "/"}
KEY = b"correct horse battery staple"


def test_every_call_but_the_open_ones_wants_the_key(start: Start) -> None:
    """401 with WWW-Authenticate without it, with a wrong one, and in another scheme."""
    running = start(key=KEY)
    for one in OPERATIONS:
        path = one.path.replace("{id}", "01890000-0000-7000-8000-000000000001")
        for value in (None, "Bearer wrong", "Bearer", KEY.decode(), f"Basic {KEY.decode()}"):
            headers = {} if value is None else {"Authorization": value}
            reply = running.http.request(one.method, path, headers=headers)
            assert (reply.status_code == 401) == (one.path not in OPEN), one.path
            if reply.status_code == 401:
                assert reply.headers["www-authenticate"].startswith("Bearer")
                assert reply.json()["type"] == "urn:workmill:problem:not-authorized"


def test_with_the_key_it_works(start: Start) -> None:
    """The right key opens, and no refused call left anything behind."""
    running = start(key=KEY)
    assert running.http.put("/enqueue?iterations=2", content=b"x").status_code == 401
    running.http.headers["Authorization"] = f"Bearer {KEY.decode()}"
    running.submit(b"with the key")
    assert running.stored() == 1


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://127.0.0.1:1"])
@pytest.mark.parametrize(
    "call", [("PUT", "/enqueue?iterations=1"), ("POST", "/pullCompleted?top=9")]
)
def test_a_page_of_another_site_can_do_nothing(
    start: Start, origin: str, call: tuple[str, str]
) -> None:
    """Without a key, what a browser sends for a foreign page is refused: 403, nothing changed."""
    running = start()
    running.submit(b"mine", 1)
    reply = running.http.request(*call, headers={"Origin": origin})
    assert reply.status_code == 403
    assert reply.json()["type"] == "urn:workmill:problem:cross-site"
    assert running.stored() == 1
    own = {"Origin": running.url}
    assert len(running.http.post("/pullCompleted?top=9", headers=own).json()) == 1


@pytest.mark.parametrize("host", ["evil.example", "evil.example:5000", "localhost.evil.example"])
def test_a_name_that_was_made_to_lead_here_is_another_site(start: Start, host: str) -> None:
    """DNS rebinding: origin and host agree, yet the page is not ours."""
    running = start()
    running.submit(b"mine", 1)
    headers = {"Origin": f"http://{host}", "Host": host}
    assert running.http.post("/pullCompleted?top=9", headers=headers).status_code == 403
    assert running.stored() == 1


@pytest.mark.parametrize(
    "host", ["127.0.0.1:5000", "[::1]:5000", "[::1]", "LOCALHOST", socket.gethostname() + ":80"]
)
def test_addresses_and_our_own_name_are_ours(start: Start, host: str) -> None:
    """The page of this service may use it, however it was reached."""
    headers = {"Origin": f"http://{host}", "Host": host}
    assert start().http.post("/pullCompleted?top=9", headers=headers).status_code == 200


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.10", "::1", "localhost"])
def test_loopback_needs_no_key(host: str) -> None:
    """Only this machine can reach it."""
    check_exposure(host, None)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.org"])  # noqa: S104
def test_beyond_loopback_wants_a_key_or_plain_words(host: str) -> None:
    """Refused without a key, unless the person said that it shall stay open."""
    with pytest.raises(InvalidInput, match="--key-file"):
        check_exposure(host, None)
    with pytest.raises(InvalidInput):
        check_exposure(host, b"")
    check_exposure(host, KEY)
    check_exposure(host, None, open_without_key=True)


def test_no_address_is_every_address_and_refused() -> None:
    """An empty variable of a script must not open the service to everybody."""
    with pytest.raises(InvalidInput, match="--host is empty"):
        check_exposure("", KEY, open_without_key=True)
