"""Readiness is proved by a change that the store took."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import cast

import pytest
from tests.http.endpoint.conftest import Gated, Start, answers_with

from workmill.domain.errors import StoreFull, StoreLost, StoreUnavailable
from workmill.domain.job import Lease, Submitted, Verdict
from workmill.domain.lifecycle import Status
from workmill.endpoint.commit_group import Call
from workmill.endpoint.context import PURGE_REPORT_SECONDS, PurgeReport
from workmill.endpoint.readiness import (
    FULL_SECONDS,
    IDLE_SECONDS,
    STALE_SECONDS,
    Proofs,
    has_written,
)


def test_an_endpoint_whose_store_reads_and_does_not_write_is_not_ready(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody has to call first; the reason is said, and it comes back by itself."""
    monkeypatch.setattr("workmill.endpoint.readiness.IDLE_SECONDS", 0.0)
    running = start()

    def refused(_store: Gated) -> None:
        raise StoreUnavailable("The disk is read-only")

    with monkeypatch.context() as broken:
        broken.setattr(Gated, "probe", refused, raising=False)
        reply = answers_with(running, "/readyz", 503)
        assert "The disk is read-only" in reply.json()["detail"]
        assert running.http.get("/v1/stats").status_code == 200
        assert running.http.get("/healthz").status_code == 200
    answers_with(running, "/readyz", 200)


def test_a_store_that_is_full_for_new_jobs_is_ready_and_says_so(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A balancer that took it out would make its results unreachable."""
    running = start()
    running.submit(b"there", 1)

    def full(_store: Gated, _jobs: object) -> None:
        raise StoreFull("full")

    with monkeypatch.context() as broken:
        broken.setattr(Gated, "submit", full, raising=False)
        assert running.http.put("/enqueue?iterations=2", content=b"x").status_code == 503
        assert running.http.get("/readyz").json() == {"status": "ready", "full": True}
        assert len(running.pull()) == 1
    running.submit(b"room again")
    assert running.http.get("/readyz").json() == {"status": "ready"}


def test_a_lost_store_is_found_by_a_probe(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also when nobody calls: the endpoint ends, to be replaced."""
    monkeypatch.setattr("workmill.endpoint.readiness.IDLE_SECONDS", 0.0)
    running = start()

    def lost(_store: Gated) -> None:
        raise StoreLost("jobs.db was removed")

    monkeypatch.setattr(Gated, "probe", lost, raising=False)
    running.join()
    assert isinstance(running.failure, StoreLost)


def test_a_file_that_is_removed_ends_the_endpoint(start: Start, tmp_path: Path) -> None:
    """And what is submitted after it is not acknowledged."""
    running = start()
    running.submit(b"before")
    for file in (tmp_path / "0").glob("jobs.db*"):
        file.unlink()
    reply = running.http.put("/enqueue?iterations=3", content=b"after")
    assert reply.status_code == 503
    assert "removed" in reply.json()["detail"]
    running.join()
    assert isinstance(running.failure, StoreLost)


class Hand:
    """A monotonic clock that only the test moves."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def call(verb: str, answer: object, error: StoreUnavailable | None = None) -> Call:
    made = Call(verb, None, 1, cast("asyncio.Future[object]", None))
    made.answer, made.error = answer, error
    return made


def standing(proofs: Proofs) -> tuple[str | None, bool]:
    return proofs.problem, proofs.due


def test_proofs_age() -> None:
    """A store that does not answer at all is not ready, though it has refused nothing."""
    proofs = Proofs(now := Hand())
    assert proofs.problem == "it was not probed yet"
    proofs.note([call("probe", None)], None)
    assert standing(proofs) == (None, False)
    now.seconds += IDLE_SECONDS
    assert standing(proofs) == (None, True)
    now.seconds += STALE_SECONDS
    assert "has not answered" in str(proofs.problem)
    proofs.note([call("probe", None)], None)
    proofs.note([call("beat", None)], StoreUnavailable("no beat today"))
    proofs.note([call("restore", None)], StoreUnavailable("another one is under way"))
    assert standing(proofs) == (None, False)
    proofs.note([call("pull", None)], StoreUnavailable("the disk is full"))
    assert standing(proofs) == ("the disk is full", True)
    proofs.note([call("stats", object())], None)
    assert proofs.problem == "the disk is full"


def test_who_finds_it_full_makes_room_for_nobody() -> None:
    """That new jobs fit is proved by one that was taken, or by time: old ones always end."""
    proofs = Proofs(now := Hand())
    proofs.note([call("submit", None, StoreFull("no room"))], None)
    assert proofs.full
    proofs.note([call("complete", [Verdict.APPLIED]), call("probe", None)], None)
    assert proofs.full
    proofs.note([call("submit", [_NEW])], None)
    assert not proofs.full
    proofs.note([call("submit", None, StoreFull("no room"))], None)
    now.seconds += FULL_SECONDS
    assert not proofs.full


_LEASE = Lease(id=b"i", token=1, workload="sha512", total=2, done=1, state=b"s")
_NEW = Submitted(id=b"i", status=Status.QUEUED, done=1)


@pytest.mark.parametrize(
    ("verb", "answer", "wrote"),
    [
        ("submit", [_NEW], True),
        ("submit", [Submitted(id=b"i", status=Status.QUEUED, done=1, created=False)], False),
        ("complete", [Verdict.APPLIED], True),
        ("complete", [Verdict.STALE], False),
        ("lease", [_LEASE], True),
        ("lease", [], False),
        ("get", [object()], False),
        ("stats", object(), False),
        ("probe", None, True),
    ],
)
def test_only_what_has_changed_something_proves(verb: str, answer: object, wrote: bool) -> None:
    """A look, or a word that changed nothing, syncs nothing."""
    assert has_written(call(verb, answer)) is wrote


def test_purges_are_logged_and_not_line_by_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The first at once, then a sum at most once a minute."""
    said: list[object] = []
    monkeypatch.setattr(
        "workmill.endpoint.context.emit", lambda _event, **fields: said.append(fields["removed"])
    )
    report = PurgeReport(now := Hand())
    for removed in (0, 3, 500, 7):
        report.add(removed)
    assert said == [3]
    now.seconds += PURGE_REPORT_SECONDS
    report.add(0)
    assert said == [3, 507]
