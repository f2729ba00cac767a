"""Requests grown from the grammar of RFC 9112 and hurt in one or two places, and what none may do.

Every request puts its own job, and its body holds a whole request for another one: `hidden`, which
nobody has asked for. So whoever reads a body as a request shows it. Its frames are right, or
wrong in a way that leaves no right reading; never right and shorter than they are.
"""

from __future__ import annotations

import random
import uuid
from typing import Final, Literal, NamedTuple

from tests.http.endpoint.raw_lines import cut

Ending = Literal["open", "half closed", "closed", "reset"]

SECOND: Final = b"second"
LAST: Final = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
_NOISE: Final = [
    b"\0",
    b"\r",
    b"\n",
    b"\r\n",
    b"\t",
    b" ",
    b":",
    b"\x80",
    b"\x1b",
    b"\x7f",
    b"\xff",
]
_METHODS: Final = [
    b"POST",
    b"GET",
    b"HEAD",
    b"OPTIONS",
    b"DELETE",
    b"BREW",
    b"put",
    b"CONNECT",
    b"",
]
_VERSIONS: Final = [
    *(b"HTTP/1.0", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/0.9", b"http/1.1", b"HTTP/1.1 ", b"HTTP/1"),
    *(b"HTTP/01.1", b"HTTP/1.1\t", b"HTTP/1,1", b"HTTPS/1.1", b"ICY/1.1", b""),
]
_HOSTS: Final = [
    *(b"", b"Host: x\r\nHost: y\r\n", b"Host: x, y\r\n", b"Host:\r\n", b"Host: [::1\r\n"),
    *(b"Host: x@y\r\n", b"Host: x/y\r\n", b"Host: x y\r\n", b"Host : x\r\n", b"host:x:99999\r\n"),
    *(b"Host: \xff\r\n", b"Host: x\r\n y\r\n", b"Host: x#y\r\n", b"HOST: x\r\nhost: x\r\n"),
]
_SOUND_EXTRA: Final = [
    *(b"Expect: 100-continue\r\n", b"Connection: Upgrade\r\nUpgrade: h2c\r\n", b"TE: trailers\r\n"),
    *(b"Connection: content-length, transfer-encoding\r\n", b"Connection: host, x, close\r\n"),
    *(b"Upgrade: websocket\r\nConnection: keep-alive, upgrade\r\n", b"Trailer: Content-Length\r\n"),
    *(
        b"Content-Encoding: gzip\r\n",
        b"X: \xe9\xff\r\n",
        b"Max-Forwards: 0\r\n",
        b"Cookie: ;;=\r\n",
    ),
    *(b"X: " + b"a" * 7000 + b"\r\n", b"If-Match: *\r\nRange: bytes=0-1\r\n", b"X-A: b\r\n" * 60),
    *(b"Connection: proxy-connection\r\nProxy-Connection: close\r\n", b"Keep-Alive: x\r\n"),
]
_BROKEN_EXTRA: Final = [
    *(b"X: a\r\n b\r\n", b" X: a\r\n", b"X\r\n", b": x\r\n", b"X : y\r\n", b"X: a\0b\r\n"),
    *(b"X: a\rb\r\n", b"X: a\nY: b\r\n", b"X(y): z\r\n", b"\xe9: x\r\n", b"X: \x7f\r\n"),
    *(b"Expect: 100-continue, x\r\n", b"X: " + b"a" * 70_000 + b"\r\n", b"X: y\r\n" * 300),
    *(b"Content-Length : 1\r\n", b"Transfer-Encoding : chunked\r\n", b"X: y\n"),
]
_LENGTHS: Final = [
    *(b"+%d", b"-%d", b"0x%x", b"%d.0", b"%d,", b"%d, 1", b"%d 1", b"%d;", b'"%d"', b"%d\0"),
    *(b"%d\r\nContent-Length: 3", b"%d\r\nTransfer-Encoding: chunked", b"\xd9\xa3%d", b"%d\r\n 0"),
    *(b"%d\r\nTransfer-Encoding: identity", b"%d\nContent-Length: 0", b"%d\x0b", b"%d_0", b",%d"),
    *(b"%d\r\nTransfer-Encoding:\x0bchunked", b"%d\rTransfer-Encoding: chunked", b"%d%%"),
]
_CODINGS: Final = [
    *(b"gzip, chunked", b"chunked, chunked", b"chunked, identity", b"xchunked", b'"chunked"', b""),
    *(
        b"chunked;q=1",
        b"chunked\r\nTransfer-Encoding: gzip",
        b"\x0bchunked",
        b"chunked\0",
        b"chunk",
    ),
    *(b"chunked\r\nContent-Length: 5", b"gzip\r\nTransfer-Encoding: chunked", b"chunke\xc4\x8f"),
    *(b"identity, chunked", b"\r\n chunked", b"chunked\r\n ,gzip", b"chunked x", b"cow, chunked"),
]
_SIZES: Final = [
    *(b"+%x", b"-%x", b"0x%x", b" %x", b"%x,", b"%x g", b"%x_", b'"%x"', b"%x\0", b"%x\r", b"g%x"),
    *(b"1" + b"0" * 15 + b"%x", b"f" * 16 + b"%x", b"\r\n%x", b"%x;a\nb", b"%x;" + b"a" * 5000),
]
_SOUND_SIZES: Final = [
    *(b"%x", b"0%x", b"%x;a", b"%x;a=b;c", b'%x;a="b;\\"c"', b"%x;", b"%x \t", b"%x ;a = b"),
    b"0" * 8 + b"%x",
]
_TRAILERS: Final = [
    *(b"X: y\r\n", b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Host: z\r\n"),
    *(
        b"Authorization: x\r\n" * 9,
        b": x\r\n",
        b"X\r\n",
        b"X: a\r\n b\r\n",
        b"X: \0\r\n",
        b"X: a\n",
    ),
    b"X: " + b"a" * 20_000 + b"\r\n",
]
_BEFORE: Final = [
    *(
        b"\r\n",
        b"\r\n\r\n",
        b"\n",
        b"\r",
        b"\0",
        b" ",
        b"\r\n" * 40,
        b"PROXY TCP4 1.1.1.1 2.2.2.2 1 2\r\n",
    ),
    *(
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\xef\xbb\xbf",
    ),
    *(b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c", b"<policy-file-request/>\0", b"x" * 66_000),
]


class Mutant(NamedTuple):
    """One connection's bytes, and what may come of them."""

    job: str
    data: bytes
    loose: bool
    """Whether the job may have another body: noise may have hidden the frame, or two are named."""
    hidden: str
    second: str
    segments: list[bytes]
    ending: Ending
    requests: int
    """How many answers there may be at most."""


def _put(job: str, data: bytes, more: bytes = b"") -> bytes:
    head = b"PUT /v1/jobs/%b?iterations=1 HTTP/1.1\r\nHost: x\r\n%bContent-Length: %d\r\n\r\n"
    return head % (job.encode(), more, len(data)) + data


def mutant(seed: str) -> Mutant:
    """The mutant of this seed."""
    chance = random.Random(seed)
    job, hidden, second = (str(uuid.UUID(int=chance.getrandbits(128), version=4)) for _ in range(3))
    noisy = chance.random() < 0.3
    # noise in a name can hide a frame, rightly; then what follows must be no request
    data = (b"no request, this\r\n\r\n" if noisy else b"") + _put(hidden, b"x")
    raw, requests = _grow(chance, job, data), 1
    if noisy:
        end = max(raw.find(b"\r\n\r\n"), 1)
        at = chance.randrange(end)
        raw = raw[:at] + chance.choice(_NOISE) + raw[at:]
    if chance.random() < 0.5:
        raw, requests = raw + _put(second, SECOND), requests + 1
    raw, requests = raw + LAST, requests + 1
    ending: Ending = chance.choice(["half closed", "half closed", "half closed", "closed", "reset"])
    if ending in ("closed", "reset") or chance.random() < 0.1:
        raw = raw[: chance.randrange(1, len(raw))]
    return Mutant(
        job,
        data,
        noisy or _two_frames(raw),
        hidden,
        second,
        _segments(chance, raw),
        ending,
        requests,
    )


def _grow(chance: random.Random, job: str, data: bytes) -> bytes:
    hurt = {chance.choice(["method", "target", "version", "host", "extra", "before"])}
    hurt |= {chance.choice(["length", "coding", "size", "trailer", "both", "none", "none"])}
    hurt = set(chance.sample(sorted(hurt), chance.choice([1, 1, 2])))
    method = chance.choice(_METHODS) if "method" in hurt else b"PUT"
    version = chance.choice(_VERSIONS) if "version" in hurt else b"HTTP/1.1"
    host = chance.choice(_HOSTS) if "host" in hurt else b"Host: x\r\n"
    target = b"/v1/jobs/%b?iterations=1" % job.encode()
    if "target" in hurt:
        target = _target(chance, target)
    extra = chance.choice(_SOUND_EXTRA) if chance.random() < 0.3 else b""
    if "extra" in hurt:
        extra += chance.choice(_BROKEN_EXTRA)
    frame, body = _framed(chance, hurt, data)
    fields = [host, extra, frame]
    chance.shuffle(fields)
    raw = b"%b %b %b\r\n" % (method, target, version) + b"".join(fields) + b"\r\n" + body
    if "before" in hurt:
        raw = chance.choice(_BEFORE) + raw
    return raw


def _two_frames(raw: bytes) -> bool:
    head = raw.partition(b"\r\n\r\n")[0]
    return b"Content-Length" in head and b"Transfer-Encoding" in head


def _target(chance: random.Random, path: bytes) -> bytes:
    return chance.choice(
        [
            *(b"http://x" + path, b"HTTP://x:80" + path, b"https://x" + path, b"ftp://x" + path),
            *(b"http://u:p@x" + path, b"//x" + path, b"*", b"x:80", b"", path + b"#f", b"http://x"),
            *(path.replace(b"/", b"%2f", 2), path.replace(b"v1", b"v1/../v1"), path + b"&\xe9"),
            *(path.replace(b"jobs", b"%6aobs"), path.replace(b"/v1", b"//v1"), path + b"\0"),
            *(path + b"&" + b"a" * 70_000, path + b"&x=1" * 900, b"\\" + path[1:], path + b" x"),
            *(path.replace(b"?", b"%3f"), path + b"&iterations=2", path.replace(b"=", b"%3d")),
            *(path + b";x", path.replace(b"?", b"/?"), b"http:" + path, b"http://x" + path[1:]),
        ]
    )


def _framed(chance: random.Random, hurt: set[str], data: bytes) -> tuple[bytes, bytes]:
    """The frame's header lines and the body in it."""
    if "both" in hurt:  # each of two readers finds the hidden one where the other finds a body
        coding, ended = chance.choice(_CODINGS[1:]), b"0\r\n\r\n" + data
        lines = [b"Transfer-Encoding: %b\r\n" % coding, b"Content-Length: %d\r\n" % len(ended)]
        chance.shuffle(lines)
        return b"".join(lines), ended
    if "length" in hurt:
        said = chance.choice(_LENGTHS)
        if said.count(b"%d") + said.count(b"%x") == 1:
            said = said % len(data)
        return b"Content-Length: " + said + b"\r\n", data
    if not hurt & {"coding", "size", "trailer"} and chance.random() < 0.5:
        return b"Content-Length: %d\r\n" % len(data), data
    coding = chance.choice(_CODINGS) if "coding" in hurt else b"chunked"
    middle = chance.randrange(1, len(data))
    body = b""
    for piece in (data[:middle], data[middle:]):
        size = chance.choice(_SIZES if "size" in hurt else _SOUND_SIZES) % len(piece)
        body += size + b"\r\n" + piece + b"\r\n"
    body += b"0\r\n" + (chance.choice(_TRAILERS) if "trailer" in hurt else b"") + b"\r\n"
    return b"Transfer-Encoding: " + coding + b"\r\n", body


def _segments(chance: random.Random, raw: bytes) -> list[bytes]:
    match chance.randrange(4):
        case 0 if len(raw) < 1500:
            return [raw[at : at + 1] for at in range(len(raw))]
        case 1 | 2:
            return cut(raw, sorted(chance.sample(range(1, max(len(raw), 9)), 3)))
        case _:
            return [raw]
