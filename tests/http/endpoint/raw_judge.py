"""One mutant said over a connection of its own, and judged by what it has left behind."""

from __future__ import annotations

import re
import socket
import struct
from typing import Final

import httpx
from tests.http.endpoint.raw_lines import TEST_SECONDS, responses
from tests.http.endpoint.raw_mutants import SECOND, Mutant

HONEST: Final = (501, 503, 505)
"""Failures that say what they are."""


def say(port: int, said: Mutant) -> bytes | None:
    """What came back; None when the connection was reset, or nobody waited for it."""
    # from many addresses, for HAProxy counts the connections of each
    source = f"127.1.{said.data[-40] % 250}.{int(said.job[:2], 16) % 250 + 1}"
    there = ("127.0.0.1", port)
    with socket.create_connection(there, TEST_SECONDS, (source, 0)) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if said.ending == "reset":
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        try:
            for segment in said.segments:
                line.sendall(segment)
            if said.ending in ("closed", "reset"):
                return None
            if said.ending == "half closed":
                line.shutdown(socket.SHUT_WR)
        except OSError:  # it has answered and closed
            pass
        try:
            return b"".join(iter(lambda: line.recv(65536), b""))
        except ConnectionResetError:
            return None


def judge(endpoint: httpx.Client, said: Mutant, came: bytes | None) -> None:
    """No answer too many, no failure of ours, no job that nobody asked for, none over other data,
    none that was refused and stored; and the endpoint goes on."""
    statuses = _statuses(said, came)
    assert len(statuses) <= said.requests, (said, came)
    assert not [one for one in statuses if one >= 500 and one not in HONEST], (said, came)
    assert _stands(endpoint, said.hidden) == 404, (said, came)
    if _stands(endpoint, said.job) == 200:
        assert 200 in statuses or not statuses, (said, came)
        assert said.loose or _put_again(endpoint, said.job, said.data) == 200, (said, came)
    if _stands(endpoint, said.second) == 200:
        assert _put_again(endpoint, said.second, SECOND) == 200, (said, came)
    assert endpoint.get("/readyz").status_code == 200


def _statuses(said: Mutant, came: bytes | None) -> list[int]:
    """Of the answers, interim ones left out; none where HAProxy has taken up another protocol."""
    if came is None or not came.startswith(b"HTTP/1.1 "):
        return []
    if b"HEAD" in said.segments[0][:80] or len(said.segments[0]) < 80:
        found = [int(one) for one in re.findall(rb"HTTP/1\.1 (\d{3}) ", came)]
        return [one for one in found if one >= 200]
    return [one.status for one in responses(came)]


def _stands(endpoint: httpx.Client, job: str) -> int:
    return endpoint.get(f"/v1/jobs/{job}").status_code


def _put_again(endpoint: httpx.Client, job: str, data: bytes) -> int:
    """409 when the job has other data."""
    return endpoint.put(f"/v1/jobs/{job}?iterations=1", content=data).status_code
