"""Stub endpoints, for where a real one is not the point: they count, and can hold an answer."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from tests.system.processes import PATIENCE_SECONDS

from workmill.controller.balancer import Place


class Stub(ThreadingHTTPServer):
    """Ready at once. `/hold` is answered when `release` is set, after `held` has been."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.place = Place("127.0.0.1", self.server_port)
        self.held = threading.Event()
        self.release = threading.Event()
        self.answered = 0
        self.is_ready = True
        self.hang_up = False
        """Take a request and close the connection without an answer."""

    def handle_error(self, request: object, client_address: object) -> None:
        """A caller that hung up is nothing to report."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    server: Stub

    def do_GET(self) -> None:
        if self.path == "/readyz":
            self._answer(200 if self.server.is_ready else 503)
        elif self.server.hang_up:
            self.server.answered += 1
            self.close_connection = True
        else:
            if self.path == "/hold":
                self.server.held.set()
                self.server.release.wait(PATIENCE_SECONDS)
            self.server.answered += 1
            self._answer(200)

    def do_PUT(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.do_GET()

    def _answer(self, status: int) -> None:
        body = str(self.server.server_port).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""


@contextmanager
def stub() -> Iterator[Stub]:
    """One stub, until the end of the block."""
    with Stub() as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.release.set()
            server.shutdown()
            thread.join()
