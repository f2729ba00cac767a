"""`workmill up` whose endpoint cannot start again: callers are answered until it can."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.system.processes import PATIENCE_SECONDS, Up, gone, until


@contextmanager
def without_its_store(up: Up) -> Iterator[None]:
    """The directory is moved away and the endpoint killed: each next one refuses to begin anew."""
    aside = up.data.with_name("aside")
    up.data.rename(aside)
    os.kill(up.pids("endpoint")[0], signal.SIGKILL)
    try:
        yield
    finally:
        if up.data.exists():
            up.data.rmdir()
        aside.rename(up.data)


def asked(up: Up, method: str, path: str, body: bytes | None = None) -> tuple[int, str, str]:
    """Status, Retry-After and detail of a problem."""
    connection = HTTPConnection(up.url.removeprefix("http://"), timeout=PATIENCE_SECONDS)
    try:
        connection.request(method, path, body)
        reply = connection.getresponse()
        return reply.status, reply.headers["Retry-After"], json.loads(reply.read())["detail"]
    finally:
        connection.close()


def test_callers_are_told_that_the_endpoint_cannot_start(tmp_path: Path) -> None:
    """Each call is answered, health too, with when to come again and where the reason stands. A
    client that is patient has its results as if nothing had been, and no job is lost."""
    with Up(tmp_path, workers=1) as up, up.client() as client:
        kept = client.submit(b"kept", 10)
        value = kept.result(60)
        with without_its_store(up):
            for method, path in (("GET", "/healthz"), ("GET", "/readyz"), ("PUT", "/enqueue")):
                status, after, detail = asked(up, method, path, b"x" * 500_000)
                assert status == 503
                assert 1 <= int(after) <= 5
                assert "times in a row" in detail
                assert "process.died" in detail
        assert client.result(kept.id, 60) == value
        assert client.submit(b"new", 10).result(60)
        assert len(list(client.jobs())) == 2


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_ends_a_service_that_cannot_serve(tmp_path: Path, number: signal.Signals) -> None:
    """Also while callers are held, with a worker that has work: nothing is left."""
    with Up(tmp_path, workers=1) as up, up.client() as client:
        held = client.submit(b"held", 10**9)
        until(lambda: client.job(held.id).status == "leased")
        with without_its_store(up):
            assert asked(up, "GET", "/healthz")[0] == 503
            pids = up.tree()
            assert up.stop(number) == 0
        assert all(gone(pid) for pid in pids)
