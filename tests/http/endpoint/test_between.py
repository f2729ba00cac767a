"""What answers say to proxies and caches that stand between an endpoint and its callers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.http.endpoint.conftest import Running, Start, lease_request

from workmill.domain.job import Lease
from workmill.wire import paths

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


def test_a_grant_that_never_reached_its_worker_costs_no_attempt(start: Start) -> None:
    """A proxy that cuts, packs or replaces answers took it, and so it counts as arrived: five of
    these, and a job that nobody had ever begun would have failed."""
    running = start()
    ids = {bytes.fromhex(running.submit(b"%d" % one).replace("-", "")) for one in range(3)}
    asked = replace(lease_request(), number=1)
    for _ in range(6):
        leases = running.post(paths.WORK_LEASE, asked, list[Lease], wait=30.0)
        assert {one.id for one in leases} == ids
        assert {one.attempts for one in leases} == {1}
        asked = replace(asked, number=asked.number + 1, unheard=(asked.number,))
    assert running.post(paths.WORK_LEASE, replace(asked, unheard=()), list[Lease]) == []
