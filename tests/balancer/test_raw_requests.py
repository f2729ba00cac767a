"""The raw requests again, through HAProxy as it is shipped: refused there, or answered rightly."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.balancer.conftest import Endpoint
from tests.balancer.doors import Door, open_door
from tests.http.endpoint.raw_lines import Response, responses, talk
from tests.http.endpoint.requests import CASES, DATA, Raw
from tests.redis_servers import folder, redis_on_socket
from tests.system.service_definition import value_of

_RESET = 0
LAST = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def served() -> Iterator[tuple[Door, Endpoint]]:
    """A door with one endpoint behind it, for all cases."""
    with folder() as directory, redis_on_socket(directory) as store, open_door(directory) as door:
        endpoint = Endpoint(directory, store)
        try:
            with endpoint.client() as client:
                client.stats()
            door.add(endpoint.place)
            yield door, endpoint
        finally:
            endpoint.process.kill()


@pytest.mark.parametrize("half_close", [False, True], ids=["open", "half closed"])
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_through_the_balancer(served: tuple[Door, Endpoint], case: Raw, half_close: bool) -> None:
    """No job but the right one, no server error but the RFC's, and no body read as a request."""
    door, endpoint = served
    with endpoint.client() as client:
        before = client.stats().stats.submitted_total
        found = _answers(door.port, case.sent + LAST, half_close=half_close)
        stored = client.stats().stats.submitted_total - before
    status = found[0].status if found else _RESET
    assert status in (*(case.proxied or (case.status,)), *[_RESET] * (case.stored == 0)), found
    assert stored == int(status == 200 and case.sent.startswith((b"PUT", b"\r\n\r\nPUT")))
    if stored:
        assert value_of(DATA, 1).encode() in found[0].body
    assert len(found) <= 2


def _answers(port: int, raw: bytes, *, half_close: bool) -> list[Response]:
    """What came back; nothing where HAProxy resets the connection, or speaks HTTP/2."""
    try:
        found = talk(port, [raw], half_close=half_close)
    except ConnectionResetError:
        return []
    return responses(found) if found.startswith(b"HTTP/1.1 ") else []
