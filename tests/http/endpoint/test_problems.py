"""Refusals are problem documents; the documents about the interface are whole and true."""

from __future__ import annotations

import re

import msgspec
import pytest
from tests.http.endpoint.conftest import Running, Start

from workmill.domain.job import Node
from workmill.endpoint.routes import OPERATIONS


def test_an_unknown_path(shared: Running) -> None:
    """404, as a problem document."""
    for path in ("/nothing", "/v1/jobs/a/b", "/enqueue/", "/v1"):
        reply = shared.http.put(path, content=b"x")
        assert reply.status_code == 404
        assert reply.headers["content-type"] == "application/problem+json"
        assert reply.json()["type"] == "urn:workmill:problem:not-found"


def test_a_wrong_method(shared: Running) -> None:
    """405, and both Allow and the sentence say what is right: few people look at headers."""
    reply = shared.http.post("/enqueue?iterations=1", content=b"x")
    assert (reply.status_code, reply.headers["allow"]) == (405, "PUT, OPTIONS")
    assert reply.json()["type"] == "urn:workmill:problem:method-not-allowed"
    assert reply.json()["detail"].endswith("Nothing was changed. Use PUT.")
    assert shared.http.put("/v1/jobs").json()["detail"].endswith("Use POST or GET.")
    assert shared.http.put("/v1/jobs").headers["allow"] == "POST, GET, HEAD, OPTIONS"


def test_head_is_get_without_a_body(shared: Running) -> None:
    """Load balancers like to ask with HEAD."""
    reply = shared.http.head("/healthz")
    assert (reply.status_code, reply.content) == (200, b"")


def test_an_error_of_our_own_shows_no_insides(
    start: Start, capfd: pytest.CaptureFixture[str]
) -> None:
    """500 as a problem document, the cause in the log alone; others in the group are served."""
    running = start()
    running.store.error = ZeroDivisionError("secret detail")
    reply = running.http.post("/pullCompleted?top=1")
    running.store.error = None
    assert reply.status_code == 500
    assert reply.json()["type"] == "urn:workmill:problem:internal"
    assert "secret" not in reply.text
    assert "secret detail" in capfd.readouterr().err
    assert running.pull() == []


def test_the_openapi_document_covers_every_call(shared: Running) -> None:
    """Each call of the table is there, its parameters match its path, every reference resolves."""
    document = shared.http.get("/openapi.json").json()
    assert document["openapi"].startswith("3.1")
    calls = {
        (method.upper(), path) for path, methods in document["paths"].items() for method in methods
    }
    assert calls == {(one.method, one.path) for one in OPERATIONS}
    schemas = document["components"]["schemas"]
    for name in re.findall(
        r'"\$ref":\s*"#/components/schemas/(.*?)"', shared.http.get("/openapi.json").text
    ):
        assert name in schemas
    assert {"load", "serves", "leads"} <= schemas["Node"]["properties"].keys()
    assert "loop_lag_seconds" in schemas["Load"]["properties"]
    for path, methods in document["paths"].items():
        for call in methods.values():
            assert call["summary"]
            assert call["responses"]
            named = {one["name"] for one in call["parameters"] if one["in"] == "path"}
            assert named == set(re.findall(r"\{(.*?)\}", path))
    ids = [
        call["operationId"] for methods in document["paths"].values() for call in methods.values()
    ]
    assert len(ids) == len(set(ids))


def test_the_pages_fetch_nothing_from_elsewhere(shared: Running) -> None:
    """The ops page and the docs work on a closed network, and show every call."""
    for path in ("/", "/docs"):
        page = shared.http.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert not re.search(r"(src|href)=[\"']?(https?:)?//", page.text)
    docs = shared.http.get("/docs").text
    for one in OPERATIONS:
        assert f"<code>{one.path}</code>" in docs


def test_metrics_count_requests_groups_and_jobs(start: Start) -> None:
    """The figures move with what happened."""
    running = start()
    running.submit(b"counted", 3)
    running.http.put("/enqueue?iterations=0", content=b"x")
    running.http.get("/v1/stats")
    text = running.http.get("/metrics").text
    assert 'workmill_requests_total{method="PUT",route="/enqueue",status="200"} 1.0' in text
    assert 'workmill_requests_total{method="PUT",route="/enqueue",status="422"} 1.0' in text
    assert 'workmill_request_seconds_count{route="/enqueue"} 2.0' in text
    assert 'workmill_jobs{status="queued"} 1.0' in text
    assert "workmill_backlog_iterations 2.0" in text
    assert re.search(r"workmill_commit_seconds_count [1-9]", text)
    assert 'workmill_group_jobs_bucket{le="+Inf"}' in text


def test_the_backlog_is_told_in_seconds_when_they_are_known(start: Start) -> None:
    """What scales workers reads it: 0 without work, work over rate with it, and no made-up figure
    while nobody's rate is known."""
    running = start()
    assert "workmill_backlog_seconds 0.0" in running.http.get("/metrics").text
    running.submit(b"counted", 2001)
    running.http.get("/v1/stats")
    assert "workmill_backlog_seconds" not in running.http.get("/metrics").text
    worker = Node(incarnation="w", role="worker", host="h", pid=1, version="0", rate_hz=100.0)
    running.http.post("/v1/nodes/beat", content=msgspec.msgpack.encode(worker))
    running.http.get("/v1/stats")
    assert "workmill_backlog_seconds 20.0" in running.http.get("/metrics").text
