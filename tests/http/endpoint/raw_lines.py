"""Bytes over a connection in chosen segments, and the responses that come back."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import NamedTuple

TEST_SECONDS = 20.0


class Response(NamedTuple):
    """One response; `version` as it stands in its status line."""

    status: int
    headers: dict[str, str]
    body: bytes


def talk(port: int, segments: Iterable[bytes], *, half_close: bool = False) -> bytes:
    """Send the segments, each by itself; all that comes back until the endpoint closes.

    What the endpoint does not want any more is not sent.
    """
    with socket.create_connection(("127.0.0.1", port), timeout=TEST_SECONDS) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            for segment in segments:
                line.sendall(segment)
            if half_close:
                line.shutdown(socket.SHUT_WR)
        except OSError:  # it has answered and closed
            pass
        return b"".join(iter(lambda: line.recv(65536), b""))


def responses(raw: bytes) -> list[Response]:
    """What came back, split by the responses' own framing; interim ones are left out."""
    found = []
    while raw:
        head, end, rest = raw.partition(b"\r\n\r\n")
        assert end, raw[:200]
        line, *fields = head.decode("latin-1").split("\r\n")
        match = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", line)
        assert match, line
        headers = {n.lower(): v for n, _, v in (field.partition(": ") for field in fields)}
        status = int(match[1])
        body, raw = _body(headers, status, rest)
        if status >= 200:
            found.append(Response(status, headers, body))
    return found


def _body(headers: dict[str, str], status: int, rest: bytes) -> tuple[bytes, bytes]:
    if status < 200 or status == 204:
        return b"", rest
    if headers.get("transfer-encoding") == "chunked":
        return _chunks(rest)
    if "content-length" in headers:
        length = int(headers["content-length"])
        assert len(rest) >= length, "the answer breaks off"
        return rest[:length], rest[length:]
    return rest, b""


def _chunks(rest: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, end, rest = rest.partition(b"\r\n")
        assert end, "the answer breaks off"
        length = int(size, 16)
        assert rest[length : length + 2] == b"\r\n", "the answer breaks off"
        body, rest = body + rest[:length], rest[length + 2 :]
        if not length:
            return body, rest


def cut(raw: bytes, places: Sequence[int]) -> list[bytes]:
    """`raw` in pieces that begin at these places."""
    edges = [0, *places, len(raw)]
    return [raw[start:end] for start, end in pairwise(edges) if start < end]
