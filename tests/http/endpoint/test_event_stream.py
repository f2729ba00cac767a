"""The event stream: figures every second, jobs as they move, bounded, ending with a drain."""

from __future__ import annotations

import json
from collections.abc import Generator
from typing import Any

import httpx
from tests.http.endpoint.conftest import Running, Start
from tests.system.service_definition import value_of


def _events(reply: httpx.Response) -> Generator[tuple[str, Any]]:
    name = ""
    for line in reply.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


def test_a_watched_job_is_told_until_its_end(start: Start) -> None:
    """First how it stands, then every change, up to its value."""
    running = start()
    job_id = running.submit(b"watched", 3)
    with running.http.stream("GET", f"/v1/events?id={job_id}") as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        jobs = (data for name, data in _events(reply) if name == "job")
        assert next(jobs)["status"] == "queued"
        running.work()
        seen = next(job for job in jobs if job["status"] == "done")
    assert seen["value"] == value_of(b"watched", 3)


def test_figures_come_again_and_again(start: Start) -> None:
    """The first at once, the next with the pulse."""
    running = start()
    running.submit(b"counted", 3)
    with running.http.stream("GET", "/v1/events") as reply:
        figures = (data for name, data in _events(reply) if name == "stats")
        assert set(next(figures)) == {
            *("stats", "rate_hz", "workers", "backlog_seconds", "age_seconds")
        }
        assert next(figures)["stats"]["submitted_total"] == 1


def test_streams_are_bounded_and_given_back(start: Start) -> None:
    """Over the bound: 503 with Retry-After; a reader that hangs up makes room."""
    running = start(max_subscribers=1)
    with running.http.stream("GET", "/v1/events") as reply:
        events = _events(reply)
        next(events)
        refused = httpx.get(running.url + "/v1/events")
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")
        events.close()
    status = 503
    while status == 503:
        with running.http.stream("GET", "/v1/events") as reply:
            status = reply.status_code
    assert status == 200


def test_a_stream_names_real_ids(shared: Running) -> None:
    """An id that is none, or too many of them: 422."""
    assert shared.http.get("/v1/events?id=nonsense").status_code == 422
    many = "&".join(["id=01890000-0000-7000-8000-000000000001"] * 101)
    assert shared.http.get(f"/v1/events?{many}").status_code == 422


def test_a_drain_ends_the_stream(start: Start) -> None:
    """Readers are let go at once, so that they connect elsewhere."""
    running = start()
    with running.http.stream("GET", "/v1/events") as reply:
        events = _events(reply)
        next(events)
        running.stop()
        for _ in events:
            pass
    running.join()
    assert running.failure is None
