"""Figures that are old are not shown: an endpoint that is cut off from its store says so."""

from __future__ import annotations

import json
from collections.abc import Iterator

import httpx
import msgspec
import pytest
from tests.http.endpoint.conftest import Running, Start, in_thread
from tests.system.processes import until

from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import Node
from workmill.wire import paths

SHORT_SECONDS = 0.3
OF_THE_STORE = ("backlog_iterations", "backlog_seconds", "workers", "rate_hz", "jobs", "known_jobs")


@pytest.fixture
def soon_old(monkeypatch: pytest.MonkeyPatch) -> None:
    """A reading is old after a moment, so that no test waits for it."""
    monkeypatch.setattr("workmill.endpoint.stats_poller.READING_SECONDS", SHORT_SECONDS)
    monkeypatch.setattr("workmill.endpoint.stats_poller.PULSE_SECONDS", SHORT_SECONDS / 10)
    monkeypatch.setattr("workmill.endpoint.context.PULSE_SECONDS", SHORT_SECONDS / 10)
    monkeypatch.setattr("workmill.endpoint.event_stream.LATE_SECONDS", SHORT_SECONDS / 5)


def gauges(running: Running) -> set[str]:
    """The figures of the store that `/metrics` has a sample of."""
    lines = running.http.get("/metrics").text.splitlines()
    names = {line.partition(" ")[0].partition("{")[0] for line in lines if line[:1] != "#"}
    return {name for name in OF_THE_STORE if f"workmill_{name}" in names}


def busy(start: Start) -> tuple[Running, str]:
    """An endpoint with a worker whose rate is known and a job that waits."""
    running = start()
    worker = Node(incarnation="w", role="worker", host="h", pid=1, version="0", rate_hz=100.0)
    running.http.post(paths.BEAT, content=msgspec.msgpack.encode(worker))
    job_id = running.submit(b"waits", 1001)
    running.http.get(paths.STATS)
    until(lambda: gauges(running) == set(OF_THE_STORE))
    view = f"{paths.JOBS}/{job_id}"
    until(lambda: running.http.get(view).json()["eta_seconds"] is not None)
    return running, job_id


def _names(reply: httpx.Response) -> Iterator[tuple[str, dict[str, object]]]:
    name = ""
    for line in reply.iter_lines():
        if line.startswith("event: "):
            name = line[7:]
        elif line.startswith("data: "):
            yield name, json.loads(line[6:])


@pytest.mark.usefixtures("soon_old")
@pytest.mark.parametrize("hangs", [False, True], ids=["fails", "hangs"])
def test_what_is_old_is_absent(start: Start, hangs: bool) -> None:
    """No sample, 503 for the figures, `stale` in the event stream; and all of it comes back."""
    running, _ = busy(start)
    with running.http.stream("GET", paths.EVENTS) as stream:
        events = _names(stream)
        assert next(events)[0] == "stats"
        if hangs:
            running.store.open.clear()
        else:
            running.store.error = StoreUnavailable("cut off")
        until(lambda: not gauges(running))
        assert "workmill_reading_age_seconds" in running.http.get("/metrics").text
        assert "workmill_submitted_total" not in running.http.get("/metrics").text
        assert running.http.get(paths.STATS).status_code == 503
        age = next(data["age_seconds"] for name, data in events if name == "stale")
        assert isinstance(age, float)
        assert age > SHORT_SECONDS
        running.store.error = None
        running.store.open.set()
        assert next(data for name, data in events if name == "stats")["workers"] == 1
    until(lambda: gauges(running) == set(OF_THE_STORE))


@pytest.mark.usefixtures("soon_old")
def test_no_prediction_is_made_from_an_old_reading(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither for a job that is shown nor for a new one; the calls themselves go on."""
    running, job_id = busy(start)
    monkeypatch.setattr("workmill.endpoint.stats_poller.READING_SECONDS", 0.0)
    assert running.http.get(f"{paths.JOBS}/{job_id}").json()["eta_seconds"] is None
    path = f"{paths.JOBS}/01890000-0000-7000-8000-000000000001?iterations=9"
    assert "eta_seconds" not in running.http.put(path, content=b"new").json()


@pytest.mark.usefixtures("soon_old")
def test_a_wait_for_a_job_does_not_end_with_how_it_was(start: Start) -> None:
    """A store that went away meanwhile is an answer too."""
    running, job_id = busy(start)
    url = f"{running.url}{paths.JOBS}/{job_id}?wait=2"
    answer = in_thread(lambda: httpx.get(url, timeout=20))
    server = running._endpoint._server
    assert server is not None
    until(lambda: server._service.watch._watchers)
    running.store.error = StoreUnavailable("cut off")
    assert answer().status_code == 503
