"""A bench that cannot fail proves nothing: what its load and its check must notice."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from bench.data import check, made_samples
from bench.load import put_request, send_all

SAMPLES = made_samples(3, seed=1)
IDS = ["a", "b", "c"]
RIGHT = [(job_id, sample.value) for job_id, sample in zip(IDS, SAMPLES, strict=True)]


class Echo(BaseHTTPRequestHandler):
    """Answers a PUT with its own body, and refuses the one that says `no`."""

    protocol_version = "HTTP/1.1"

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(503 if body == b"no" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """A server that echoes."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Echo) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield server.server_port
        server.shutdown()
        thread.join()


def test_right_results_pass() -> None:
    """Every id once, with hashlib's value, in any order."""
    check(IDS, SAMPLES, reversed(RIGHT))


@pytest.mark.parametrize(
    "results",
    [RIGHT[:2], [*RIGHT[:2], ("c", RIGHT[0][1])], [*RIGHT, RIGHT[0]]],
    ids=["missing", "wrong", "twice"],
)
def test_a_result_missing_wrong_or_twice_ends_the_bench(results: list[tuple[str, str]]) -> None:
    """No figure comes of a run whose results were not all right."""
    with pytest.raises((ValueError, KeyError)):
        check(IDS, SAMPLES, results)


def test_the_load_keeps_every_reply_in_order(port: int) -> None:
    """More requests than connections: each is sent once, and its reply found under its place."""
    bodies = [str(number).encode() * 5000 for number in range(50)]
    assert send_all(port, [put_request("/", body) for body in bodies], connections=4) == bodies


def test_the_load_ends_at_the_first_refusal(port: int) -> None:
    """A system that refuses work is not fast."""
    requests = [put_request("/", body) for body in (b"yes", b"no")]
    with pytest.raises(RuntimeError, match="503"):
        send_all(port, requests)
