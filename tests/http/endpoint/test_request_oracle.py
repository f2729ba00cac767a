"""What is taken for a request is what h11 takes for one: the corpus and its mutations.

h11 is slow, written by others, and strict. Whatever this endpoint accepts, h11 must accept, and
see the same request in it: method, headers and body. (The reverse does not hold: bare LF, folded
lines and repeated framing are refused here, where the RFC leaves a choice.)
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from typing import NamedTuple

import h11
import pytest
from tests.http.endpoint.requests import CASES, Raw

from workmill.domain.errors import WorkmillError
from workmill.endpoint.chunked_body import ChunkedBody
from workmill.endpoint.request_head import MAX_HEAD_BYTES, parse_head

SEEDS = 8
MUTATIONS = 1500
"""Of each seed."""
_PIECES = [
    *(b"\r\n", b"\n", b"\r", b"\0", b" ", b"\t", b":", b",", b";", b"0", b"f", b"-", b"+", b"\xff"),
    *(b"chunked", b"Transfer-Encoding: chunked\r\n", b"Content-Length: 3\r\n", b"Host: x\r\n"),
    *(b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"gzip", b"\r\n\r\n", b"0\r\n\r\n", b"1\r\nx\r\n"),
    *(b"Connection: close\r\n", b"Upgrade: h2c\r\n", b"Expect: 100-continue\r\n", b"CONNECT", b"#"),
]


class Seen(NamedTuple):
    """One request, as a parser sees it."""

    method: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes


def _ours(raw: bytes) -> Seen | None:
    """The first request in `raw`; None when it is refused or not whole."""
    while raw[:2] == b"\r\n":
        raw = raw[2:]
    end = raw.find(b"\r\n\r\n") + 4
    if not 4 <= end <= MAX_HEAD_BYTES:
        return None
    try:
        head = parse_head(raw[:end])
        body = _our_body(head.length, raw[end:])
    except WorkmillError:
        return None
    return None if body is None else Seen(head.method.encode(), tuple(head.headers), body)


def _our_body(length: int | None, rest: bytes) -> bytes | None:
    if length is not None:
        return rest[:length] if len(rest) >= length else None
    chunked = ChunkedBody()
    body, _ = chunked.feed(rest)
    return body if chunked.ended else None


def _theirs(raw: bytes) -> Seen | None:
    while raw[:2] == b"\r\n":  # RFC 9112, section 2.2; h11 has no use for them
        raw = raw[2:]
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=2 * MAX_HEAD_BYTES)
    connection.receive_data(raw)
    request: h11.Request | None = None
    body = b""
    try:
        while True:
            event = connection.next_event()
            if isinstance(event, h11.Request):
                request = event
            elif isinstance(event, h11.Data):
                body += event.data
            elif isinstance(event, h11.EndOfMessage):
                assert request is not None
                return Seen(request.method, tuple(request.headers), body)
            else:
                return None
    except h11.RemoteProtocolError:
        return None


def _agree(ours: Seen, theirs: Seen | None) -> bool:
    """h11 sees the same; of equal Content-Length lines it keeps one, and none beside chunks, and
    of an absolute target it leaves the Host header as it was."""
    if theirs is None:
        return False
    plain = {b"content-length", b"host"}
    return (ours.method, ours.body) == (theirs.method, theirs.body) and [
        one for one in ours.headers if one[0] not in plain
    ] == [
        (n, v.lower() if n == b"transfer-encoding" else v)
        for n, v in theirs.headers
        if n not in plain
    ]


def _lowered(seen: Seen) -> Seen:
    headers = ((n, v.lower() if n == b"transfer-encoding" else v) for n, v in seen.headers)
    return seen._replace(headers=tuple(headers))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_table_is_h11s_too(case: Raw) -> None:
    """What the table has accepted, h11 accepts, and reads the same."""
    ours = _ours(case.sent)
    if ours is not None:
        assert _agree(_lowered(ours), _theirs(case.sent)), ours


def _mutated(chance: random.Random) -> Iterator[bytes]:
    short = [case.sent for case in CASES if len(case.sent) < 2000]
    for _ in range(MUTATIONS):
        raw = bytearray(chance.choice(short))
        for _ in range(chance.choice([1, 1, 2, 3, 6])):
            at = chance.randrange(len(raw) + 1)
            match chance.randrange(5):
                case 0:
                    raw[at:at] = chance.choice(_PIECES)
                case 1:
                    raw[at : at + chance.choice([1, 2, 9])] = b""
                case 2:
                    raw[at : at + 1] = chance.choice(_PIECES)
                case 3:
                    raw[at : at + 1] = bytes([chance.randrange(256)])
                case _:
                    start = chance.randrange(len(raw) + 1)
                    raw[at:at] = raw[start : start + 30]
        yield bytes(raw)


@pytest.mark.parametrize("seed", range(SEEDS))
def test_whatever_is_accepted_h11_accepts_and_reads_the_same(seed: int) -> None:
    """Thousands of broken requests: none is read as something that h11 does not see in it."""
    accepted = 0
    for raw in _mutated(random.Random(seed)):
        ours = _ours(raw)
        if ours is None:
            continue
        accepted += 1
        assert _agree(_lowered(ours), _theirs(raw)), (raw, ours, _theirs(raw))
    assert accepted > MUTATIONS // 50, "the mutations leave too little to compare"


@pytest.mark.parametrize("seed", range(SEEDS))
def test_chunks_may_be_cut_anywhere(seed: int) -> None:
    """The same body and the same end, whatever the segments."""
    chance = random.Random(seed)
    bodies = [case.sent.partition(b"\r\n\r\n")[2] for case in CASES if b"chunked" in case.sent]
    for raw in bodies:
        whole = _fed([raw])
        for _ in range(20):
            places = sorted(chance.sample(range(len(raw) + 1), min(5, len(raw))))
            edges = [0, *places, len(raw)]
            cut = [raw[a:b] for a, b in itertools.pairwise(edges)]
            assert _fed(cut) == whole


def _fed(pieces: list[bytes]) -> tuple[bytes, bool] | type[WorkmillError]:
    chunked, body = ChunkedBody(), b""
    try:
        for piece in pieces:
            body += chunked.feed(piece)[0]
    except WorkmillError as error:
        return type(error)
    return body, chunked.ended
