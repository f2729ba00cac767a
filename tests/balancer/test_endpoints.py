"""Real endpoints behind a real HAProxy: killed, silenced, drained and reloaded under load."""

from __future__ import annotations

import signal

from tests.balancer.conftest import Endpoint
from tests.balancer.doors import Door
from tests.load.load import Load
from tests.load.over_http import Raw, Sdk

CALLERS = 8
MAX_FAILED = 0.01
"""Of all requests, when an endpoint is killed under load: the bar."""


def test_an_endpoint_killed_under_load_is_hardly_noticed(
    door: Door, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    """kill -9: at most one request in a hundred fails, and nothing acknowledged is lost, wrong or
    delivered twice."""
    one, two = endpoints
    door.add(one.place, two.place)
    with Load([Raw(door.url)] * CALLERS, puller=Sdk(two.url), each=250) as load:
        load.wait_for(400)
        one.process.kill()
        door.wait_for(one.place, "out")
    outcome = load.outcome()
    assert outcome.sent == {"raw": CALLERS * 250}
    assert outcome.failed_share("raw") <= MAX_FAILED, outcome
    assert outcome.kept, outcome


def test_a_silent_endpoint_is_out_and_comes_back(
    door: Door, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    """SIGSTOP: the balancer's own checks take it out of rotation and let it in again."""
    one, two = endpoints
    door.add(one.place, two.place)
    one.process.signal(signal.SIGSTOP)
    try:
        door.wait_for(one.place, "out")
        with Load([Raw(door.url)] * CALLERS, each=10) as load:
            pass
        assert load.outcome().failed == {}
    finally:
        one.process.signal(signal.SIGCONT)
    door.wait_for(one.place, "serving")
    before = door.member(one.place)
    with Load([Raw(door.url)] * CALLERS, each=10):
        pass
    after = door.member(one.place)
    assert before is not None
    assert after is not None
    assert after.answered_total - before.answered_total == CALLERS * 10 / 2


def test_nothing_fails_while_an_endpoint_drains_and_the_balancer_reloads(
    door: Door, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    """SIGTERM: not ready comes first and gives the balancer its time; a reload needs none."""
    one, two = endpoints
    door.add(one.place, two.place)
    with Load([Raw(door.url)] * CALLERS, puller=Sdk(two.url)) as load:
        load.wait_for(100)
        one.process.signal(signal.SIGTERM)
        door.wait_for(one.place, "out")
        assert one.process.alive, "it stopped before the balancer saw that it is not ready"
        door.reload()
        load.wait_for(100)
        assert one.process.end(signal.SIGTERM) == 0
        door.reload()
        load.wait_for(100)
    outcome = load.outcome()
    assert outcome.failed == {}
    assert outcome.kept, outcome
