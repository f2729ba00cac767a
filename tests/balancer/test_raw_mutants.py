"""The mutants again, through HAProxy as it is shipped: two parsers, and no second reading."""

from __future__ import annotations

import httpx
from tests.balancer.conftest import Endpoint
from tests.balancer.doors import Door
from tests.http.endpoint.raw_judge import judge, say
from tests.http.endpoint.raw_mutants import mutant
from tests.system.processes import PATIENCE_SECONDS

EACH = 400


def test_no_request_is_read_out_of_another(
    door: Door, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    """What HAProxy lets pass, mends or splits is what the endpoint behind it takes."""
    endpoint, _ = endpoints
    door.add(endpoint.place)
    with httpx.Client(base_url=endpoint.url, timeout=PATIENCE_SECONDS) as line:
        for number in range(EACH):
            said = mutant(f"door.{number}")
            judge(line, said, say(door.port, said))
