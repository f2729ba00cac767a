"""What is no request, or none that is taken, is answered at once and rightly."""

from __future__ import annotations

import pytest
from tests.http.endpoint.conftest import Running
from tests.http.endpoint.raw_lines import talk

OTHER_PROTOCOLS = {
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xab" * 100,
    "TLS, its first byte": b"\x16",
    "TLS, as of 1995": b"\x80\x2e\x01\x03\x00",
    "a frame of HTTP/2": bytes(9),
    "a text with blanks": b"hello,(you there",
}


@pytest.mark.parametrize("name", OTHER_PROTOCOLS)
@pytest.mark.parametrize("before", [b"", b"\r\n"])
def test_another_protocol_is_refused_at_its_first_bytes(
    shared: Running, name: str, before: bytes
) -> None:
    """Who speaks TLS to a plain port hears so, and does not wait until a time limit ends it."""
    assert talk(shared.port, [before + OTHER_PROTOCOLS[name]]).startswith(b"HTTP/1.1 400 ")


@pytest.mark.parametrize(
    "asked",
    [
        b"HEAD /healthz HTTP/1.1\r\n\r\n",
        b"HEAD /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\n\r\n",
        b"HEAD /healthz HTTP/2.0\r\nHost: x\r\n\r\n",
        b"HEAD /healthz HTTP/1.1\nHost: x\n\n",
        b"HEAD /healthz HTTP/1.1\r\nHost: x\r\n" + b"x: y\r\n" * 300 + b"\r\n",
    ],
)
def test_a_refusal_of_head_has_no_body(shared: Running, asked: bytes) -> None:
    """RFC 9110, section 9.3.2: whoever sent HEAD would take a body for the next answer."""
    status, _, body = talk(shared.port, [asked]).partition(b"\r\n\r\n")
    assert status.startswith(b"HTTP/1.1 ")
    assert body == b""


def test_half_a_head_of_head_has_no_body_either(shared: Running) -> None:
    """It broke off, and what it was is known."""
    answer = talk(shared.port, [b"HEAD /healthz HTTP/1.1\r\nHo"], half_close=True)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.endswith(b"\r\n\r\n")


def test_methods_that_nobody_knows_are_counted_as_one(shared: Running) -> None:
    """A caller cannot fill the endpoint's memory and its metrics with names of his own."""
    for number in range(50):
        asked = b"BREW%d /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % number
        assert talk(shared.port, [asked]).startswith(b"HTTP/1.1 501 ")
    page = shared.http.get("/metrics").text
    assert "BREW" not in page
    assert 'method="other"' in page
