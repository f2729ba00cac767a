"""Bodies are bounded in size, time and memory, and a refusal comes as soon as it is known."""

from __future__ import annotations

import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import pytest
from tests.http.endpoint.conftest import Running, Start
from tests.system.service_definition import value_of

MIB = 1024 * 1024


def _head(length: int, *more: bytes) -> bytes:
    lines = [b"PUT /enqueue?iterations=2 HTTP/1.1", b"Host: x", b"Content-Length: %d" % length]
    return b"\r\n".join([*lines, *more, b"", b""])


def test_too_long_a_body_is_refused_before_it_is_sent(shared: Running) -> None:
    """The announced length is enough: 413 comes though not one byte of the body was sent."""
    reply = shared.raw(_head(MIB + 1))
    assert reply.startswith(b"HTTP/1.1 413 ")
    assert b"urn:workmill:problem:body-too-large" in reply


def test_who_expects_100_continue_is_spared_the_upload(shared: Running) -> None:
    """The final answer comes instead of `100 Continue`."""
    assert shared.raw(_head(MIB + 1, b"Expect: 100-continue")).startswith(b"HTTP/1.1 413 ")


def test_a_chunked_body_is_refused_as_soon_as_it_is_too_long(shared: Running) -> None:
    """The body never ends, and yet the answer comes."""
    head = b"PUT /enqueue?iterations=2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"40000\r\n" + bytes(0x40000) + b"\r\n"
    before = shared.stored()
    assert shared.raw(head, *[chunk] * 5).startswith(b"HTTP/1.1 413 ")
    assert shared.stored() == before


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n"


@pytest.mark.parametrize("requests_before", [0, 1])
@pytest.mark.parametrize("start", [b"GET /", HEALTH + b"X: "], ids=["path", "header"])
def test_a_head_without_end_is_refused(shared: Running, requests_before: int, start: bytes) -> None:
    """431 at 64 KiB, on a connection's first request and on any other."""
    with socket.create_connection(("127.0.0.1", shared.port), timeout=20) as line:
        for _ in range(requests_before):
            line.sendall(HEALTH + b"\r\n")
            assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        line.sendall(start + b"a" * (64 * 1024 - len(start)))
        line.sendall(b"a")
        reply = b"".join(iter(lambda: line.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 431 ")
    assert b"urn:workmill:problem:head-too-large" in reply


def test_chunk_extensions_without_end_are_given_up(shared: Running) -> None:
    """The frame of a chunk is bounded like a head: 431, and nothing is stored."""
    before = shared.stored()
    head = b"PUT /enqueue?iterations=2 HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert shared.raw(head, b"5;x=", b"a" * 65_536).startswith(b"HTTP/1.1 431 ")
    assert shared.stored() == before


def test_a_second_head_that_stalls_is_given_up(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a request may not hold a connection for ever, whatever came before it."""
    monkeypatch.setattr("workmill.endpoint.connections.HEAD_SECONDS", 0.2)
    with socket.create_connection(("127.0.0.1", start().port), timeout=20) as line:
        line.sendall(HEALTH + b"\r\n")
        assert line.recv(65536).startswith(b"HTTP/1.1 200 ")
        line.sendall(HEALTH)
        assert line.recv(65536) == b""


def test_who_takes_nothing_of_an_answer_is_cut_off(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that its caller leaves lying is not kept in memory for ever."""
    monkeypatch.setattr("workmill.endpoint.connections.STALLED_SECONDS", 0.2)
    with socket.socket() as listener, socket.socket() as line:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)  # the caller's share
        listener.bind(("127.0.0.1", 0))
        line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        line.settimeout(20)
        line.connect(("127.0.0.1", start(listen_fd=os.dup(listener.fileno())).port))
        with suppress(ConnectionError):  # once cut off, sending fails, if not at once
            while True:
                line.sendall(b"GET /openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 20)


def test_what_is_no_http_is_told_so(shared: Running) -> None:
    """400 with a problem document, like any other refusal."""
    reply = shared.raw(b"hello?\r\n\r\n")
    assert reply.startswith(b"HTTP/1.1 400 ")
    assert b"urn:workmill:problem:malformed-request" in reply


@pytest.mark.parametrize("path", ["/enqueue", "/v1/jobs/01890000-0000-7000-8000-000000000001"])
def test_a_part_is_not_taken_for_the_whole(shared: Running, path: str) -> None:
    """Who resumes an upload would get the value of its rest (RFC 9110, section 14.5)."""
    before = shared.stored()
    part = {"Content-Range": "bytes 5-8/9"}
    reply = shared.http.put(path + "?iterations=2", content=b"rest", headers=part)
    assert reply.status_code == 400
    assert "Content-Range" in reply.json()["detail"]
    assert shared.stored() == before


@pytest.mark.parametrize(("size", "status"), [(MIB, 200), (MIB + 1, 413)])
@pytest.mark.parametrize("form", [False, True])
def test_the_limit_is_exact(shared: Running, size: int, status: int, form: bool) -> None:
    """The limit is on the data: a form's own overhead does not count."""
    data = bytes(size)
    url = "/enqueue?iterations=1"
    reply = (
        shared.http.put(url, files={"data": data}) if form else shared.http.put(url, content=data)
    )
    assert reply.status_code == status


def test_a_refused_upload_gets_to_read_its_answer(shared: Running) -> None:
    """A client that sends first and reads later finds the 413, not a connection reset."""
    reply = shared.raw(_head(8 * MIB), bytes(8 * MIB))
    assert reply.startswith(b"HTTP/1.1 413 ")


def test_a_usual_file_in_a_form_fits(shared: Running) -> None:
    """256 KiB of data are about 262,340 bytes on the wire."""
    data = os.urandom(256 * 1024)
    reply = shared.http.put("/enqueue?iterations=1", files={"file": ("f.bin", data)})
    assert reply.json()["value"] == value_of(data, 1)


def test_a_body_that_trickles_is_given_up(start: Start) -> None:
    """Time to send is bounded; nothing is stored, and the connection is closed."""
    running = start(body_seconds=0.1)
    reply = running.raw(_head(10), b"slow")
    assert reply.startswith(b"HTTP/1.1 408 ")
    assert b"urn:workmill:problem:body-timeout" in reply
    assert running.stored() == 0


def test_a_body_cut_off_is_not_stored(shared: Running) -> None:
    """The caller hangs up in the middle: there is no job, and the endpoint goes on."""
    before = shared.stored()
    with socket.create_connection(("127.0.0.1", shared.port)) as line:
        line.sendall(_head(1000) + b"half")
    assert shared.stored() == before


_SERVER = """
import sys
from pathlib import Path
from workmill.endpoint import EndpointSettings, serve
from workmill.store.sqlite import SqliteStore
settings = EndpointSettings(port=0, max_body_bytes=2 * 1024**3)
serve(lambda: SqliteStore(Path(sys.argv[1])), settings)
"""


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[int, str]]:
    """An endpoint in a process of its own, under a raised limit: its pid and URL."""
    words = [sys.executable, "-c", _SERVER, str(tmp_path)]
    with subprocess.Popen(words, stderr=subprocess.PIPE, text=True) as child:
        assert child.stderr is not None
        found = re.search(r'"url":"(.*?)"', child.stderr.readline())
        assert found
        yield child.pid, found[1]
        child.terminate()
        child.stderr.read()


def _peak_bytes(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("form", [False, True])
def test_a_gibibyte_passes_through_little_memory(process: tuple[int, str], form: bool) -> None:
    """1 GiB is folded while it streams: the process's peak grows by less than 16 MiB."""
    pid, url = process
    piece = bytes(MIB)

    def body() -> Iterator[bytes]:
        if form:
            yield b'--e\r\nContent-Disposition: form-data; name="data"; filename="f"\r\n\r\n'
        for _ in range(1024):
            yield piece
        if form:
            yield b"\r\n--e--\r\n"

    headers = {"Content-Type": "multipart/form-data; boundary=e"} if form else {}
    with httpx.Client(base_url=url, timeout=100) as http:
        warm = http.put("/enqueue?iterations=2", content=bytes(MIB))
        assert warm.status_code == 200
        before = _peak_bytes(pid)
        reply = http.put("/enqueue?iterations=1", content=body(), headers=headers)
        assert reply.json()["status"] == "done"
        assert _peak_bytes(pid) - before < 16 * MIB
