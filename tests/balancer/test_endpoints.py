"""Real endpoints behind a real HAProxy: killed, silenced, drained and reloaded under load."""

from __future__ import annotations

import signal

from tests.balancer.conftest import Endpoint
from tests.balancer.doors import Door
from tests.balancer.load import CALLERS, Load, Tally

MAX_FAILED = 0.01
"""Of all requests, when an endpoint is killed under load: the bar."""


def lost(survivor: Endpoint, tally: Tally) -> list[str]:
    """What was acknowledged through any endpoint and is unknown to this one."""
    with survivor.client() as client:
        known = {job.id for job in client.jobs()}
    return [job_id for job_id in tally.acknowledged if job_id not in known]


def test_an_endpoint_killed_under_load_is_hardly_noticed(
    door: Door, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    """kill -9: at most one request in a hundred fails, and nothing acknowledged is lost."""
    one, two = endpoints
    door.add(one.place, two.place)
    with Load(door.port, each=250) as load:
        load.wait_for(400)
        one.process.kill()
        door.wait_for(one.place, "out")
    tally = load.tally()
    assert tally.sent == CALLERS * 250
    assert len(tally.failed) <= MAX_FAILED * tally.sent, tally.failed
    assert lost(two, tally) == []


def test_a_silent_endpoint_is_out_and_comes_back(
    door: Door, endpoints: tuple[Endpoint, Endpoint]
) -> None:
    """SIGSTOP: the balancer's own checks take it out of rotation and let it in again."""
    one, two = endpoints
    door.add(one.place, two.place)
    one.process.signal(signal.SIGSTOP)
    try:
        door.wait_for(one.place, "out")
        with Load(door.port, each=10) as load:
            pass
        assert load.tally().failed == []
    finally:
        one.process.signal(signal.SIGCONT)
    door.wait_for(one.place, "serving")
    before = door.member(one.place)
    with Load(door.port, each=10):
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
    with Load(door.port, each=100_000) as load:
        load.wait_for(100)
        one.process.signal(signal.SIGTERM)
        door.wait_for(one.place, "out")
        assert one.process.alive, "it stopped before the balancer saw that it is not ready"
        door.reload()
        load.wait_for(100)
        assert one.process.end(signal.SIGTERM) == 0
        door.reload()
        load.wait_for(100)
        load.stop()
    assert load.tally().failed == []
    assert lost(two, load.tally()) == []
