"""A server that is no endpoint: one lie a server, told to whoever asks."""

from __future__ import annotations

import gzip
import itertools
import re
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

OTHER_ID = "01936f3c-8d2a-7cc3-98c4-000000000000"
VALUE = "ab" * 64
_VIEW = (
    '{"id":"%s","status":"%s","workload":"sha512","iterations":%d,"done":0,"priority":0,'
    '"attempts":0,"value":%s}'
)

Lie = Callable[[socket.socket, threading.Event], None]


def head(status: str = "200 OK", **fields: object) -> bytes:
    """The head of an answer; `content_length=5` becomes `content-length: 5`."""
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in fields.items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode()


def whole(body: bytes, status: str = "200 OK", **fields: object) -> bytes:
    """An answer with its length."""
    return head(status, content_length=len(body), **fields) + body


def says(answer: bytes) -> Lie:
    """The same to everybody, after which the line is left open."""
    return lambda line, _over: line.sendall(answer)


def problem(fields: str, status: str = "503 Service Unavailable") -> Lie:
    """A refusal as endpoints make them, with something wrong in it."""
    known = '"type":"urn:workmill:problem:unavailable","title":"away","status":503'
    return says(whole(f"{{{known},{fields}}}".encode(), status))


def and_hangs_up(answer: bytes) -> Lie:
    """Says that much and ends."""

    def lie(line: socket.socket, _over: threading.Event) -> None:
        line.sendall(answer)
        line.shutdown(socket.SHUT_RDWR)

    return lie


def endless(start: bytes, piece: bytes) -> Lie:
    """Goes on for as long as somebody listens."""

    def lie(line: socket.socket, over: threading.Event) -> None:
        line.sendall(start)
        while not over.is_set():
            line.sendall(piece)

    return lie


def _silent(_line: socket.socket, over: threading.Event) -> None:
    over.wait()


def dripping(answer: bytes, after: bytes = b"") -> Lie:
    """One byte now and then: never silent, never done."""

    def lie(line: socket.socket, over: threading.Event) -> None:
        line.sendall(after)
        for byte in itertools.cycle(answer):
            line.sendall(bytes([byte]))
            if over.wait(0.05):
                return

    return lie


def _view(status: str, value: str = "null") -> Lie:
    return says(whole((_VIEW % (OTHER_ID, status, 1, value)).encode()))


_CHUNKED = head(transfer_encoding="chunked")
_NEST = b"[" * 100_000
_BOMB = gzip.compress(bytes(50_000_000))

LIES: dict[str, Lie] = {
    "closes": and_hangs_up(b""),
    "closes in its head": and_hangs_up(b"HTTP/1.1 200 OK\r\nContent-"),
    "closes in its body": and_hangs_up(head(content_length=1000) + b"{"),
    "is silent": _silent,
    "is no http": says(b"\x16\x03\x01\x02\x00\x01\x00\xff\xfe\r\n\r\n" * 10),
    "is http 0.9": and_hangs_up(b"hello"),
    "is http 1.0 without end": endless(b"HTTP/1.0 200 OK\r\n\r\n", b"x" * 65536),
    "endless body": endless(_CHUNKED, b"10000\r\n" + b"x" * 65536 + b"\r\n"),
    "endless refusal": endless(
        head("503 x", transfer_encoding="chunked"), b"10000\r\n" + b"x" * 65536 + b"\r\n"
    ),
    "endless head": endless(b"HTTP/1.1 200 OK\r\n", b"a: " + b"b" * 60_000 + b"\r\n"),
    "endless interim answers": endless(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 500),
    "a huge length": says(head(content_length=10**17)),
    "a length that is no number": says(head(content_length="1e300") + b"x"),
    "a negative length": says(head(content_length=-5)),
    "two lengths": says(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ncontent-length: 3\r\n\r\n{}"),
    "bad chunks": says(_CHUNKED + b"zz\r\n"),
    "drips its head": dripping(b"x-a: b\r\n"),
    "drips its body": dripping(b" ", after=head(content_length=10**6)),
    "waits 1e300": problem('"retry_after_seconds":1e300'),
    "waits less than nothing": problem('"retry_after_seconds":-5'),
    "waits for a word": problem('"retry_after_seconds":"soon"'),
    "waits 1e999": problem('"retry_after_seconds":1e999'),
    "waits by its head": says(whole(b"", "503 x", retry_after="9" * 400)),
    "half a document": says(whole(b'{"id":')),
    "no characters": says(whole(b'"\xff\xfe"')),
    "nests": says(whole(_NEST)),
    "nests in its refusal": says(whole(_NEST, "503 x")),
    "nothing": says(whole(b"")),
    "null": says(whole(b"null")),
    "a list": says(whole(b"[]")),
    "too many items": says(whole(b"\xdc\x10\x00" + b"\xc0" * 4096)),
    "packed": says(whole(_BOMB, content_encoding="gzip")),
    "another packing": says(whole(b"x", content_encoding="br")),
    "another job": _view("done", f'"{VALUE}"'),
    "another job, running": _view("queued"),
    "moves": says(whole(b"", "302 Found", location="http://127.0.0.1:1/")),
    "switches protocol": says(head("101 Switching Protocols", upgrade="x", connection="upgrade")),
    "204 with a body": says(head("204 No Content") + b"x" * 1000),
    "no such status": says(b"HTTP/1.1 999 Well\r\ncontent-length: 0\r\n\r\n"),
    "no body at all": says(whole(b"", "200 OK", content_type="text/\xff")),
    "signed out": says(whole(b"<html>\xff</html>", "401 x")),
    "gone": says(whole(b"<html>\xff</html>", "404 x")),
    "500": says(whole(b"\xff", "500 x")),
}


OF_THE_RIGHT_JOB: dict[str, bytes] = {
    name: whole((_VIEW % ("@" * 36, status, iterations, value)).encode())
    for name, status, value, iterations in [
        ("done without a value", "done", "null", 1),
        ("a value that is no hex", "done", '"zz"', 1),
        ("an empty value", "done", '""', 1),
        ("no iterations", "queued", "null", 0),
    ]
}
_ID = re.compile(rb"/v1/jobs/([0-9a-f-]{36})")


@contextmanager
def serving(lie: Lie | bytes) -> Iterator[str]:
    """The URL of a server that tells this lie; bytes have 36 `@` where the asked id
    belongs."""
    over = threading.Event()
    server = socket.create_server(("127.0.0.1", 0), backlog=200)
    lines: list[socket.socket] = []

    def answer(line: socket.socket) -> None:
        with suppress(OSError), line:
            while not over.is_set():
                asked = _request(line)
                if not asked:
                    return
                found = _ID.search(asked)
                if not isinstance(lie, bytes):
                    lie(line, over)
                else:
                    job_id = found[1] if found else b"0" * 36
                    line.sendall(lie.replace(b"@" * 36, job_id))

    def accept() -> None:
        with suppress(OSError):
            while True:
                line, _ = server.accept()
                lines.append(line)
                threading.Thread(target=answer, args=(line,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    finally:
        over.set()
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        for line in lines:
            with suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


def _request(line: socket.socket) -> bytes:
    """A request, read whole as far as its length says."""
    got = b""
    while b"\r\n\r\n" not in got:
        piece = line.recv(65536)
        if not piece:
            return b""
        got += piece
    asked, _, body = got.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: (\d+)", asked.lower())
    left = int(length[1]) - len(body) if length else 0
    while left > 0 and (piece := line.recv(65536)):
        left -= len(piece)
    return asked
