"""What answers say to proxies and caches that stand between an endpoint and its callers."""

from __future__ import annotations

import pytest
from tests.http.endpoint.conftest import Running

ASKED = [
    ("GET", "/v1/jobs"),
    ("GET", "/v1/jobs/01936f3c-8d2a-7cc3-98c4-000000000000"),
    ("HEAD", "/v1/stats"),
    ("GET", "/v1/stats"),
    ("GET", "/readyz"),
    ("GET", "/metrics"),
    ("GET", "/docs"),
    ("GET", "/nowhere"),
    ("POST", "/pullCompleted"),
]


@pytest.mark.parametrize(("method", "path"), ASKED)
def test_no_answer_may_be_kept(shared: Running, method: str, path: str) -> None:
    """Varnish keeps each answer to a GET for two minutes unless it is told not to: a job would be
    queued for so long after its end."""
    answer = shared.http.request(method, path)
    assert answer.headers.get_list("cache-control") == ["no-store"]


@pytest.mark.parametrize("path", ["/v1/events", "/v1/backup"])
def test_a_stream_is_passed_on_as_it_comes(shared: Running, path: str) -> None:
    """nginx would hold events back until it has some kilobytes of them: for minutes."""
    with shared.http.stream("GET", path) as answer:
        assert answer.headers.get_list("cache-control") == ["no-store"]
        assert answer.headers["x-accel-buffering"] == "no"
