"""Raw requests and their right answers, by RFC 9110 and RFC 9112: one table for every way in.

A request is written as it goes over the wire. `status` says what the endpoint answers (several
where the RFC leaves a choice would be two rows, so there is one); `stored` how many jobs it
leaves, each over `DATA`. `proxied` is HAProxy's own answer, where it refuses the request itself.
"""

from __future__ import annotations

from typing import NamedTuple

DATA = b"the data itself"
PUT = b"PUT /enqueue?iterations=1 HTTP/1.1\r\nHost: x\r\n"
GET = b"GET /healthz HTTP/1.1\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n"
CHUNKS = b"8\r\nthe data\r\n7;x=1\r\n itself\r\n0\r\n"
LENGTH = b"Content-Length: 15\r\n"


class Raw(NamedTuple):
    """One request, and what is right."""

    name: str
    sent: bytes
    status: int
    stored: int = 0
    proxied: tuple[int, ...] = ()
    """What may come through HAProxy; the endpoint's own status when empty."""
    closes: bool = True
    """Whether the connection ends with the answer."""


def _put(name: str, headers: bytes, body: bytes, status: int, *, via: tuple[int, ...] = ()) -> Raw:
    stored = int(status == 200)
    return Raw(name, PUT + headers + b"\r\n" + body, status, stored, via, closes=status != 200)


def _get(name: str, headers: bytes, status: int, *, via: tuple[int, ...] = ()) -> Raw:
    return Raw(name, GET + headers + b"\r\n", status, 0, via, closes=status != 200)


def _line(name: str, line: bytes, status: int, *, via: tuple[int, ...] = ()) -> Raw:
    closes = status in (400, 431, 505) or line.startswith(b"CONNECT")
    return Raw(name, line + b"\r\nHost: x\r\n\r\n", status, 0, via, closes=closes)


H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
WEBSOCKET = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\n"

GOOD = [
    # RFC 9110, section 7.8: a server may ignore an offer to upgrade
    _put("upgrade h2c, length", H2C + LENGTH, DATA, 200),
    _put("upgrade h2c, chunked", H2C + CHUNKED, CHUNKS + b"\r\n", 200),
    _put("upgrade websocket", WEBSOCKET + LENGTH, DATA, 200),
    # RFC 9112, sections 6 and 7
    _put("length", LENGTH, DATA, 200),
    _put("length with zeros in front", b"Content-Length: 00015\r\n", DATA, 200),
    _put("equal lengths", LENGTH + LENGTH, DATA, 200),
    _put("list of equal lengths", b"Content-Length: 15, 15\r\n", DATA, 200),
    _put("chunked", CHUNKED, CHUNKS + b"\r\n", 200),
    _put("chunked in capitals", b"TRANSFER-ENCODING: Chunked\r\n", CHUNKS + b"\r\n", 200),
    _put("size in zeros and capitals", CHUNKED, b"000F\r\n" + DATA + b"\r\n0\r\n\r\n", 200),
    _put("trailers", CHUNKED, CHUNKS + b"Authorization: x\r\nX: y\r\n\r\n", 200),
    _put("expect of what nobody knows", b"Expect: tea\r\n" + LENGTH, DATA, 200, via=(200, 417)),
    # RFC 9112, section 2.2 and 3; RFC 9110, section 5.5
    Raw("empty lines before", b"\r\n\r\n" + PUT + LENGTH + b"\r\n" + DATA, 200, 1, closes=False),
    _get("empty value", b"Host: x\r\nX:\r\n", 200),
    _get("blanks around a value", b"Host: \t x \t\r\n", 200),
    _get("bytes beyond ASCII in a value", b"Host: x\r\nX: \xe9\xff\r\n", 200),
    _get("empty host", b"Host:\r\n", 200),
    _get("an address as host", b"Host: [::1]:5000\r\n", 200),
    _line("absolute form", b"GET http://x/healthz HTTP/1.1", 200),
    _line(
        "absolute form with a query",
        b"GET HTTP://x:5000/healthz?a=b HTTP/1.1",
        200,
        via=(200, 400),
    ),
    _line("a later minor version", b"GET /healthz HTTP/1.2", 200, via=(200, 400, 505)),
    _line("a method that nobody knows", b"BREW /healthz HTTP/1.1", 501),
    _line("a percent and no digits", b"GET /v1/jobs/%zz HTTP/1.1", 422),
    _line("percent-encoded bytes that are no text", b"GET /v1/jobs/%ff%00 HTTP/1.1", 422),
    Raw("HTTP/1.0 without a host", b"GET /healthz HTTP/1.0\r\n\r\n", 200),
    Raw(
        "HTTP/1.0 and expect",
        PUT.replace(b"1.1", b"1.0") + LENGTH + b"Expect: 100-continue\r\n\r\n" + DATA,
        200,
        1,
    ),
]

REFUSED = [
    # RFC 9112, section 3.2: Host
    _get("no host", b"", 400),
    _get("two hosts", b"Host: x\r\nHost: y\r\n", 400),
    _get("the same host twice", b"Host: x\r\nHost: x\r\n", 400, via=(200, 400)),
    _get("a host that is none", b"Host: a/b\r\n", 400),
    _get("a host with a blank in it", b"Host: a b\r\n", 400),
    Raw("HTTP/1.0 with two hosts", b"GET /healthz HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n", 400),
    # RFC 9112, section 6.3: Content-Length
    _put("differing lengths", LENGTH + b"Content-Length: 3\r\n", DATA, 400),
    _put("list of differing lengths", b"Content-Length: 15, 3\r\n", DATA, 400),
    _put("length with a plus", b"Content-Length: +15\r\n", DATA, 400),
    _put("length below nothing", b"Content-Length: -1\r\n", DATA, 400),
    _put("length in hexadecimal", b"Content-Length: 0xf\r\n", DATA, 400),
    _put("length with a point", b"Content-Length: 15.0\r\n", DATA, 400),
    _put("length with a blank in it", b"Content-Length: 1 5\r\n", DATA, 400),
    _put("empty length", b"Content-Length:\r\n", DATA, 400),
    _put("list with an empty member", b"Content-Length: 15,\r\n", DATA, 400, via=(200, 400)),
    _put("digits of another script", b"Content-Length: \xd9\xa3\r\n", DATA, 400),
    _put(
        "length beyond all bounds",
        b"Content-Length: " + b"9" * 5000 + b"\r\n",
        DATA,
        413,
        via=(400, 413),
    ),
    # RFC 9112, sections 6.1 and 6.3: Transfer-Encoding
    _put("both framings", LENGTH + CHUNKED, CHUNKS + b"\r\n", 400, via=(200, 400)),
    _put(
        "a coding before chunked",
        b"Transfer-Encoding: gzip, chunked\r\n",
        CHUNKS,
        501,
        via=(400, 422, 501),
    ),
    _put("chunked twice", b"Transfer-Encoding: chunked, chunked\r\n", CHUNKS, 400),
    _put("chunked twice in two lines", CHUNKED + CHUNKED, CHUNKS, 400),
    _put("chunked not last", b"Transfer-Encoding: chunked, gzip\r\n", CHUNKS, 400, via=(400, 422)),
    _put("a coding that is not chunked", b"Transfer-Encoding: gzip\r\n", DATA, 400, via=(400, 422)),
    _put("identity", b"Transfer-Encoding: identity\r\n" + LENGTH, DATA, 400, via=(400, 422)),
    _put("chunked in quotes", b'Transfer-Encoding: "chunked"\r\n', CHUNKS, 400, via=(400, 422)),
    _put("empty coding", b"Transfer-Encoding:\r\n", CHUNKS, 400, via=(400, 411, 422)),
    Raw(
        "chunks in HTTP/1.0",
        PUT.replace(b"1.1", b"1.0") + CHUNKED + b"\r\n" + CHUNKS + b"\r\n",
        400,
        proxied=(200, 400),
    ),
    # RFC 9112, section 7.1: chunks
    _put("size beyond 64 bits", CHUNKED, b"10000000000000000\r\n" + DATA, 400),
    _put("size with a sign", CHUNKED, b"+f\r\n" + DATA + b"\r\n0\r\n\r\n", 400),
    _put("size with 0x", CHUNKED, b"0xf\r\n" + DATA + b"\r\n0\r\n\r\n", 400),
    _put("no size", CHUNKED, b"\r\n" + DATA + b"\r\n0\r\n\r\n", 400),
    _put("a blank before the size", CHUNKED, b" f\r\n" + DATA + b"\r\n0\r\n\r\n", 400),
    _put("bare LF behind a size", CHUNKED, b"f\n" + DATA + b"\r\n0\r\n\r\n", 400, via=(200, 400)),
    _put("bare LF behind a chunk", CHUNKED, b"f\r\n" + DATA + b"\n0\r\n\r\n", 400, via=(200, 400)),
    _put("a chunk longer than it says", CHUNKED, b"e\r\n" + DATA + b"\r\n0\r\n\r\n", 400),
    _put(
        "CR in an extension", CHUNKED, b"f;a\rb\r\n" + DATA + b"\r\n0\r\n\r\n", 400, via=(200, 400)
    ),
    _put("a trailer without a colon", CHUNKED, CHUNKS + b"trailer\r\n\r\n", 400),
    _put("a trailer with a blank before its colon", CHUNKED, CHUNKS + b"a : b\r\n\r\n", 400),
    _put(
        "an extension of 64 KiB",
        CHUNKED,
        b"f;" + b"a" * 65_536 + b"\r\n" + DATA,
        431,
        via=(400, 431),
    ),
    _put(
        "trailers of 64 KiB", CHUNKED, CHUNKS + b"a: b\r\n" * 11_000 + b"\r\n", 431, via=(400, 431)
    ),
    # RFC 9112, sections 2.2 and 5: lines and fields
    _get("folded line", b"Host: x\r\nX: a\r\n b\r\n", 400, via=(200, 400)),
    _get("fold at the start", b" X: a\r\nHost: x\r\n", 400),
    _get("blank before a colon", b"Host : x\r\n", 400),
    _get("tab before a colon", b"Host: x\r\nX\t: y\r\n", 400),
    _get("no colon", b"Host: x\r\nnothing\r\n", 400),
    _get("empty name", b"Host: x\r\n: y\r\n", 400),
    _get("a name with a bracket", b"Host: x\r\nX(y): z\r\n", 400),
    _get("a name beyond ASCII", b"Host: x\r\nX\xe9: z\r\n", 400),
    _get("NUL in a value", b"Host: x\r\nX: a\0b\r\n", 400),
    _get("ESC in a value", b"Host: x\r\nX: a\x1bb\r\n", 400, via=(200, 400)),
    _get("bare CR in a value", b"Host: x\r\nX: a\rb\r\n", 400),
    _get("bare LF in the head", b"Host: x\nX: y\r\n", 400, via=(200, 400)),
    Raw(
        "lines that end in LF alone", b"GET /healthz HTTP/1.1\nHost: x\n\n", 400, proxied=(200, 400)
    ),
    Raw("bare LF before", b"\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n", 400, proxied=(200, 400)),
    # RFC 9112, section 3: the request line
    _line("HTTP/0.9", b"GET /healthz", 400),
    _line("HTTP/2 without an upgrade", b"GET /healthz HTTP/2.0", 505, via=(200, 400, 505)),
    Raw(
        "the preface of HTTP/2", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505, proxied=(0, 400, 505)
    ),  # HAProxy takes it up, and speaks HTTP/2
    _line("version of two digits", b"GET /healthz HTTP/1.10", 400, via=(400, 505)),
    _line("version in small letters", b"GET /healthz http/1.1", 400),
    _line("another protocol", b"GET /healthz RTSP/1.0", 400),
    _line("two blanks", b"GET  /healthz HTTP/1.1", 400, via=(200, 400)),
    _line("a tab for a blank", b"GET\t/healthz HTTP/1.1", 400, via=(200, 400)),
    _line("blank behind the version", b"GET /healthz HTTP/1.1 ", 400, via=(200, 400)),
    _line("blank in the target", b"GET /health z HTTP/1.1", 400),
    _line("bytes beyond ASCII in the target", b"GET /healthz?\xe9 HTTP/1.1", 400, via=(400, 200)),
    _line("NUL in the target", b"GET /healthz\0 HTTP/1.1", 400),
    _line("a fragment", b"GET /healthz#x HTTP/1.1", 400, via=(400, 200)),
    _line("no path", b"GET healthz HTTP/1.1", 400),
    _line("no target", b"GET HTTP/1.1", 400),
    _line("a method with a bracket", b"G(T /healthz HTTP/1.1", 400),
    _line("CONNECT", b"CONNECT x:80 HTTP/1.1", 501, via=(400, 501)),
    _line("authority form without CONNECT", b"GET x:80 HTTP/1.1", 400),
    _line("asterisk without OPTIONS", b"GET * HTTP/1.1", 400),
    _line("another scheme", b"GET ftp://x/healthz HTTP/1.1", 400, via=(200, 400)),
    _line("absolute form with a user", b"GET http://u@x/healthz HTTP/1.1", 400, via=(200, 400)),
    _line("absolute form without a host", b"GET http:///healthz HTTP/1.1", 400, via=(200, 400)),
    # RFC 6585, section 5: bounds
    Raw(
        "a head of 100 KB",
        GET + b"Host: x\r\nX: " + b"a" * 100_000 + b"\r\n\r\n",
        431,
        proxied=(400, 431),
    ),
    Raw(
        "a target of 100 KB",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        431,
        proxied=(400, 414, 431),
    ),
    _get("a thousand headers", b"Host: x\r\n" + b"a: b\r\n" * 1000, 431, via=(400, 431)),
]

CASES = [*GOOD, *REFUSED]
