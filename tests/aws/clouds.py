"""A cloud on loopback: moto's server over real HTTP, and a way to it that can fail on demand."""

from __future__ import annotations

import base64
import http.client
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple
from urllib.parse import parse_qs

from tests.system.processes import free_port, until

REGION = "eu-central-1"
USER_DATA = base64.b64encode(b"#!/bin/sh\nexec workmill worker\n").decode()
ANSWER_SECONDS = 60.0


class Fault(NamedTuple):
    """What the next request for this action meets: an error of EC2, or a cut connection."""

    action: str
    status: int = 0
    code: str = ""
    after: bool = False
    """The cloud carries it out all the same, and only the answer is lost."""


class Way(ThreadingHTTPServer):
    """Passes requests on to the cloud, each through the next fault that waits for its action."""

    daemon_threads = True

    def __init__(self, cloud_port: int) -> None:
        super().__init__(("127.0.0.1", 0), _Passing)
        self.cloud_port = cloud_port
        self.faults: deque[Fault] = deque()
        self.asked: list[dict[str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def actions(self, action: str) -> list[dict[str, str]]:
        """What was asked under this name, tries that failed included."""
        return [words for words in self.asked if words["Action"] == action]

    def next_fault(self, action: str) -> Fault | None:
        """Take the first fault if it is meant for this action."""
        if self.faults and self.faults[0].action == action:
            return self.faults.popleft()
        return None


class _Passing(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 64 * 1024
    server: Way

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        words = {name: values[0] for name, values in parse_qs(body.decode()).items()}
        self.server.asked.append(words)
        fault = self.server.next_fault(words["Action"])
        if fault is None or fault.after:
            status, answer = self._pass_on(body)
        if fault is not None:
            if not fault.status:
                self.close_connection = True
                return
            status, answer = fault.status, _refusal(fault.code)
        self.send_response(status)
        self.send_header("content-type", "text/xml")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def _pass_on(self, body: bytes) -> tuple[int, bytes]:
        cloud = http.client.HTTPConnection("127.0.0.1", self.server.cloud_port, timeout=60)
        hop = {name: value for name, value in self.headers.items() if name.lower() != "connection"}
        cloud.request("POST", self.path, body, hop)
        answer = cloud.getresponse()
        try:
            return answer.status, answer.read()
        finally:
            cloud.close()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has there
        """Say nothing."""


def _refusal(code: str) -> bytes:
    error = f"<Error><Code>{code}</Code><Message>as the test wishes</Message></Error>"
    return f"<Response><Errors>{error}</Errors><RequestID>1</RequestID></Response>".encode()


@contextmanager
def cloud(log: Path) -> Iterator[int]:
    """moto's server; gives its port."""
    port = free_port()
    words = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    with log.open("wb") as output:
        server = subprocess.Popen(words, stdout=output, stderr=output)
    try:
        until(lambda: _answers(port))
        yield port
    finally:
        server.terminate()
        server.wait(ANSWER_SECONDS)


@contextmanager
def way_to(cloud_port: int) -> Iterator[Way]:
    """A way of one's own to the cloud."""
    with Way(cloud_port) as way:
        thread = threading.Thread(target=way.serve_forever)
        thread.start()
        try:
            yield way
        finally:
            way.shutdown()
            thread.join()


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/moto-api/data.json")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
