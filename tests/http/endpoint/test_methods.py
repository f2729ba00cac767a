"""Every method on every kind of path is answered as RFC 9110, section 9, has it."""

from __future__ import annotations

import pytest
from tests.http.endpoint.conftest import Running
from tests.http.endpoint.raw_lines import responses, talk

ALLOWED = {
    "/healthz": {"GET", "HEAD", "OPTIONS"},
    "/enqueue": {"PUT", "OPTIONS"},
    "/v1/events": {"GET", "OPTIONS"},
    "/v1/jobs": {"GET", "HEAD", "POST", "OPTIONS"},
    "/v1/jobs/01890000-0000-7000-8000-000000000001": {"GET", "HEAD", "PUT", "DELETE", "OPTIONS"},
}


def _named(allow: str) -> set[str]:
    return set(allow.split(", "))


@pytest.mark.parametrize("path", ALLOWED)
def test_options_of_a_path_and_a_refusal_name_the_same(shared: Running, path: str) -> None:
    """204 with Allow, and 405 with the same; that what is named is taken the answers show."""
    reply = shared.http.options(path)
    assert (reply.status_code, reply.content) == (204, b"")
    assert _named(reply.headers["allow"]) == ALLOWED[path]
    for method in ("PATCH", "TRACE", "QUERY", "GET", "HEAD", "PUT", "POST", "DELETE"):
        if path == "/v1/events" and method == "GET":
            continue
        found = shared.http.request(method, path)
        assert (found.status_code == 405) == (method not in ALLOWED[path]), method
        if found.status_code == 405:
            assert _named(found.headers["allow"]) == ALLOWED[path]


@pytest.mark.parametrize("target", [b"*", b"http://x"])
def test_options_of_the_server(shared: Running, target: bytes) -> None:
    """Its own target, and as a proxy's caller writes it; the connection goes on behind it."""
    asked = b"OPTIONS %b HTTP/1.1\r\nHost: x\r\n\r\n" % target
    last = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    about, after = responses(talk(shared.port, [asked + last]))
    assert (about.status, after.status) == (204, 200)
    assert _named(about.headers["allow"]) == {"GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS"}


def test_options_needs_a_path_that_there_is(shared: Running) -> None:
    """404 for any other."""
    assert shared.http.options("/nowhere").status_code == 404


@pytest.mark.parametrize("target", [b"x:443", b"/healthz", b"http://x/"])
def test_no_tunnel_is_opened(shared: Running, target: bytes) -> None:
    """501, and what the caller sends into the tunnel he hopes for is no request."""
    put = b"PUT /enqueue?iterations=2 HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n\r\nx"
    before = shared.stored()
    asked = b"CONNECT %b HTTP/1.1\r\nHost: x\r\n\r\n" % target
    (found,) = responses(talk(shared.port, [asked + put]))
    assert (found.status, found.headers["connection"]) == (501, "close")
    assert shared.stored() == before
