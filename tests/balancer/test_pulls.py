"""Results pulled through HAProxy as it is shipped, each time over a new connection."""

from __future__ import annotations

import json
from urllib.request import Request, urlopen

from tests.balancer.conftest import Endpoint
from tests.balancer.doors import Door
from tests.system.processes import PATIENCE_SECONDS

from workmill import Client

JOBS = 60


def test_each_result_comes_once(door: Door, endpoints: tuple[Endpoint, Endpoint]) -> None:
    """HAProxy ends its connection to an endpoint by a reset once its caller has gone, and what was
    read over it has arrived."""
    door.add(*(one.place for one in endpoints))
    with Client(door.url) as client:
        handles = list(client.submit_many([b"%d" % n for n in range(JOBS)], iterations=1))
    pulled = [one for _ in range(JOBS // 4) for one in _pulled(door.url)]
    assert sorted(pulled) == sorted(handle.id for handle in handles)


def _pulled(url: str) -> list[str]:
    request = Request(f"{url}/pullCompleted?top=5", method="POST")  # noqa: S310 - our own door
    with urlopen(request, timeout=PATIENCE_SECONDS) as answer:  # noqa: S310
        return [one["id"] for one in json.load(answer)]
