"""When the next lot is asked for; the endpoint is a desk, and nothing is computed."""

from __future__ import annotations

import threading

import msgspec
import pytest
from tests.unit.worker.conftest import TEST_SECONDS, Desk, lease_of

from workmill.domain.errors import EndpointUnreachable
from workmill.domain.job import Failure, Lease, LeaseRequest
from workmill.worker.child_protocol import Profile
from workmill.worker.held_jobs import Ledger
from workmill.worker.lease_check import objection
from workmill.worker.lease_loop import Leasing
from workmill.worker.lease_sizing import Order
from workmill.worker.outage_retry import Reach
from workmill.worker.outbox import Outbox
from workmill.worker.settings import WorkerSettings

SETTINGS = WorkerSettings(urls=("http://127.0.0.1:9",))
LOT = 10
PROFILE = Profile(lanes=2, state_bytes=16)


class Supply:
    """A `Leasing` that always wants ten jobs more, and tells of each lot."""

    def __init__(self, desk: Desk) -> None:
        self.lots = threading.Semaphore(0)
        self.ledger = Ledger(Outbox())
        self.leasing = Leasing(
            SETTINGS,
            desk,
            self.ledger,
            Reach(),
            lambda: (Order(LOT, LOT, 1), ("tally",)),
            self.lots.release,
            lambda lease: objection(lease, PROFILE),
        )
        self._thread = threading.Thread(target=self.leasing.run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self.leasing.stop()
        self._thread.join(TEST_SECONDS)
        assert not self._thread.is_alive(), "the rest outlasts the stop"


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Desk:
    """Rests here would outlast the test."""
    monkeypatch.setattr("workmill.worker.lease_sizing.REST_SECONDS", 10 * TEST_SECONDS)
    return Desk()


def test_a_stream_is_left_to_gather_and_a_stop_ends_the_rest(desk: Desk) -> None:
    """After a lot of ten nothing is asked for until the rest is over, or the worker stops."""
    desk.put(*(lease_of(b"j%d" % number, 9) for number in range(2 * LOT)))
    supply = Supply(desk)
    assert supply.lots.acquire(timeout=TEST_SECONDS)
    assert not supply.lots.acquire(timeout=0.1)
    supply.stop()
    assert len(desk.granted) == LOT


def test_a_lone_job_is_followed_by_no_rest(desk: Desk) -> None:
    """At low load each job is leased as soon as it is there."""
    supply = Supply(desk)
    for number in range(5):
        desk.put(lease_of(b"j%d" % number, 9))
        assert supply.lots.acquire(timeout=TEST_SECONDS)
    supply.stop()
    assert len(desk.granted) == 5


def test_a_job_that_cannot_be_is_given_up_and_its_neighbours_are_taken(desk: Desk) -> None:
    """It fails with the reason; one whose id or token no endpoint could read is left alone."""
    good, beyond = lease_of(b"good", 9), msgspec.structs.replace(lease_of(b"beyond", 9), done=10)
    nameless = msgspec.structs.replace(beyond, id=b"short")
    tokenless = msgspec.structs.replace(beyond, token=-1)
    desk.put(beyond, nameless, good, tokenless)
    supply = Supply(desk)
    assert supply.lots.acquire(timeout=TEST_SECONDS)
    supply.stop()
    assert [job.id for job in supply.ledger.ready()] == [good.id]
    (failure,) = supply.ledger.outbox.take(9)
    assert isinstance(failure, Failure)
    assert (failure.id, failure.token) == (beyond.id, beyond.token)
    assert "10 of 9" in failure.reason


class Cutting(Desk):
    """Its first two answers never arrive."""

    def lease(self, request: LeaseRequest, wait_seconds: float) -> list[Lease]:
        leases = super().lease(request, wait_seconds)
        if len(self.requests) <= 2:
            raise EndpointUnreachable("cut off")
        return leases


def test_the_endpoint_is_told_which_answers_never_came() -> None:
    """By their numbers: what it granted in them is in nobody's hands."""
    desk = Cutting()
    desk.put(*(lease_of(b"j%d" % number, 9) for number in range(3 * LOT)))
    supply = Supply(desk)
    assert supply.lots.acquire(timeout=TEST_SECONDS)
    supply.stop()
    asked = [(one.number, one.unheard) for one in desk.requests]
    assert asked[:3] == [(1, ()), (2, (1,)), (3, (1, 2))]
