"""What a worker was granted and never heard of is handed back, and nothing else."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from tests.http.endpoint.conftest import lease_request
from tests.unit.worker.conftest import lease_of

from workmill.domain.job import LeaseRequest
from workmill.endpoint.unheard_grants import Grants

LEASES = [lease_of(b"one", 9), lease_of(b"two", 9)]
RELEASES = [one.unused() for one in LEASES]


def asks(number: int, *unheard: int, worker: str = "w") -> LeaseRequest:
    """A worker's request of that number, which names these as not answered."""
    return replace(lease_request(), worker=worker, number=number, unheard=unheard)


def test_what_was_not_heard_of_is_handed_back_once() -> None:
    """Also when the worker names it again."""
    grants = Grants()
    grants.remember(asks(1), LEASES)
    assert grants.unheard_by(asks(2, 1)) == RELEASES
    assert grants.unheard_by(asks(3, 1)) == []


def test_what_was_heard_of_stays() -> None:
    """Be it that a request which was late itself, or another worker's, comes afterwards."""
    grants = Grants()
    grants.remember(asks(3), LEASES)
    assert grants.unheard_by(asks(2, 1)) == []
    assert grants.unheard_by(asks(4, 3, worker="other")) == []
    assert grants.unheard_by(asks(3, 1, 2)) == []
    assert grants.unheard_by(asks(4, 1, 2)) == []


def test_who_numbers_nothing_is_not_remembered() -> None:
    """Workers of an earlier version are served as ever."""
    grants = Grants()
    grants.remember(asks(0), LEASES)
    assert grants.unheard_by(asks(1, 0)) == []


def test_the_oldest_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many workers ask once and never again."""
    monkeypatch.setattr("workmill.endpoint.unheard_grants.MAX_REMEMBERED_JOBS", 4)
    grants = Grants()
    for name in "abc":
        grants.remember(asks(1, worker=name), LEASES)
    assert grants.unheard_by(asks(2, 1, worker="a")) == []
    assert grants.unheard_by(asks(2, 1, worker="b")) == RELEASES
