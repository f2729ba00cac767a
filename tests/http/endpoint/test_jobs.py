"""Jobs under the client's own id: idempotent submits, long-polls, lists, cancels."""

from __future__ import annotations

import uuid
from typing import Any

import httpx
import pytest
from tests.http.endpoint.conftest import Running, Start, in_thread
from tests.system.service_definition import value_of

from workmill.domain.job import Verdict


def _path(query: str = "") -> str:
    return f"/v1/jobs/{uuid.uuid4()}{query}"


def test_a_repeated_submit_is_harmless(shared: Running) -> None:
    """The same id with the same work answers the same, and there is one job."""
    path, before = _path("?iterations=4"), shared.stored()
    first = shared.http.put(path, content=b"again")
    second = shared.http.put(path, content=b"again")
    assert first.status_code == second.status_code == 200
    assert first.json()["id"] == second.json()["id"] == path[9:45]
    assert shared.stored() == before + 1


@pytest.mark.parametrize(("data", "query"), [(b"other", "?iterations=4"), (b"a", "?iterations=5")])
def test_an_id_never_changes_its_work(shared: Running, data: bytes, query: str) -> None:
    """Other data or iterations under a known id: 409, and the first job stands."""
    path = _path()
    assert shared.http.put(path + "?iterations=4", content=b"a").status_code == 200
    refused = shared.http.put(path + query, content=data)
    assert refused.status_code == 409
    assert refused.json()["type"] == "urn:workmill:problem:conflict"
    assert shared.http.get(path).json()["iterations"] == 4


def test_a_job_as_its_owner_sees_it(shared: Running) -> None:
    """Queued, then done with its value; delivered once it was pulled."""
    path = _path()
    shared.http.put(path + "?iterations=5&priority=7", content=b"seen")
    queued = shared.http.get(path).json()
    assert (queued["status"], queued["value"], queued["priority"]) == ("queued", None, 7)
    shared.work()
    done = shared.http.get(path).json()
    assert (done["status"], done["delivery"], done["done"]) == ("done", "waiting", 5)
    assert done["value"] == value_of(b"seen", 5)
    shared.pull()
    delivered = shared.http.get(path).json()
    assert (delivered["status"], delivered["delivery"]) == ("done", "delivered")


def test_an_unknown_job(shared: Running) -> None:
    """404 for an id that nobody submitted, 422 for what is no id."""
    assert shared.http.get(_path()).status_code == 404
    assert shared.http.delete(_path()).status_code == 404
    assert shared.http.get("/v1/jobs/not-an-id").status_code == 422


def test_known_work_is_done_in_the_reply(shared: Running) -> None:
    """The same data and iterations again: the value comes at once, under a new id."""
    shared.submit(b"known", 6)
    shared.work()
    again = shared.http.put("/enqueue?iterations=6", content=b"known").json()
    assert (again["status"], again["value"]) == ("done", value_of(b"known", 6))
    v1 = shared.http.put(_path("?iterations=6"), content=b"known").json()
    assert (v1["status"], v1["done"], v1["value"]) == ("done", 6, value_of(b"known", 6))


def _long_poll(running: Running, path: str) -> Any:
    return httpx.get(running.url + path + "?wait=30", timeout=40).json()


@pytest.mark.usefixtures("without_polls")
def test_a_long_poll_answers_when_the_job_ends(start: Start) -> None:
    """`wait` returns with the result, long before its time is over."""
    running = start()
    path = _path()
    running.http.put(path + "?iterations=3", content=b"wait")
    leases = running.lease()
    answer = in_thread(_long_poll, running, path)
    assert running.http.get(path + "?wait=0.1").json()["status"] == "leased"
    assert running.complete(leases) == [Verdict.APPLIED]
    assert answer()["value"] == value_of(b"wait", 3)


def test_a_long_poll_on_an_attached_job_ends_with_its_leader(start: Start) -> None:
    """A job that waits for another one's result is watched just as well."""
    running = start()
    paths = [_path(), _path()]
    for path in paths:
        running.http.put(path + "?iterations=3", content=b"twins")
    leases = running.lease()
    assert len(leases) == 1
    answers = [in_thread(_long_poll, running, path) for path in paths]
    running.complete(leases)
    assert {answer()["value"] for answer in answers} == {value_of(b"twins", 3)}


def test_a_long_poll_that_runs_out_tells_how_things_stand(shared: Running) -> None:
    """After `wait` seconds the answer is the job as it is."""
    path = _path()
    shared.http.put(path + "?iterations=3", content=b"patience")
    assert shared.http.get(path + "?wait=0.05").json()["status"] == "queued"
    assert shared.http.get(path + "?wait=31").status_code == 422


def test_the_list_goes_through_all_jobs_newest_first(start: Start) -> None:
    """Following `next_after` shows every job once; `status` filters."""
    running = start()
    ids = [running.submit(b"%d" % number, 3) for number in range(7)]
    seen: list[str] = []
    after = ""
    while True:
        page = running.http.get(f"/v1/jobs?limit=3{after}").json()
        seen += [job["id"] for job in page["jobs"]]
        if page["next_after"] is None:
            break
        after = f"&after={page['next_after']}"
    assert seen == ids[::-1]
    assert running.http.get("/v1/jobs?status=done").json()["jobs"] == []
    assert running.http.get("/v1/jobs?status=undone").status_code == 422


def test_cancel_ends_a_job_for_good(shared: Running) -> None:
    """A cancelled job is never leased; cancelling twice is harmless."""
    path = _path()
    shared.http.put(path + "?iterations=3", content=b"cancel me")
    assert shared.http.delete(path).json()["status"] == "cancelled"
    assert shared.http.delete(path).json()["status"] == "cancelled"
    assert path[9:] not in [str(uuid.UUID(bytes=lease.id)) for lease in shared.lease()]


def test_many_are_cancelled_in_one_commit(start: Start) -> None:
    """Each id is cancelled or refused by itself, in the order asked; the group is one."""
    running = start()
    done = running.submit(b"finished", 3)
    running.work()
    ids = [running.submit(b"cancel %d" % number, 3) for number in range(20)]
    before = _large_groups(running)
    asked = [*ids, done, "nonsense", ids[0], str(uuid.uuid4())]
    replies = running.http.post("/v1/jobs/cancel", json={"ids": asked}).json()
    assert _large_groups(running) == before + 1
    assert [reply["id"] for reply in replies] == asked
    assert [reply.get("slug") for reply in replies[20:]] == [
        "already-ended",
        "invalid-input",
        None,
        "not-found",
    ]
    assert {reply.get("status", "cancelled") for reply in replies[:20]} == {"cancelled"}
    assert running.lease() == []
    assert running.http.get(f"/v1/jobs/{done}").json()["value"] == value_of(b"finished", 3)


@pytest.mark.parametrize("ids", [[], ["00000000-0000-7000-8000-000000000000"] * 1001, [7], None])
def test_a_list_to_cancel_is_bounded(shared: Running, ids: Any) -> None:
    """From one to a thousand ids; anything else changes nothing."""
    assert shared.http.post("/v1/jobs/cancel", json={"ids": ids}).status_code == 422


def _large_groups(running: Running) -> int:
    """How many groups held over ten jobs; the endpoint's own hold one."""
    lines = dict(line.rsplit(" ", 1) for line in running.http.get("/metrics").text.splitlines())
    of_all, small = (lines[f'workmill_group_jobs_bucket{{le="{most}"}}'] for most in ("+Inf", 10))
    return round(float(of_all) - float(small))


def test_a_finished_job_is_not_cancelled(shared: Running) -> None:
    """409, and the value stays."""
    job_id = shared.submit(b"finished", 3)
    shared.work()
    assert shared.http.delete(f"/v1/jobs/{job_id}").status_code == 409
    assert shared.http.get(f"/v1/jobs/{job_id}").json()["value"] == value_of(b"finished", 3)
