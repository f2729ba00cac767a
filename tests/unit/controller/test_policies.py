"""What the policies make of a look: the figures that they decide by."""

from __future__ import annotations

from tests.unit.controller.playing import Mill

from workmill.controller.crew import Crew
from workmill.controller.endpoint_scaling import LATE_SECONDS, EndpointsSeen
from workmill.controller.fleet import Member
from workmill.controller.policies import Look, endpoints_seen
from workmill.domain.job import Load, Node

LOOK = Look(at_seconds=7.0, stats=Mill().stats(), nodes=[])


def node(load: Load) -> Node:
    return Node(incarnation="i", role="endpoint", host="h", pid=1, version="0", load=load)


def test_endpoints_are_summed_and_those_that_are_late_are_counted() -> None:
    """Cores and requests of all that serve together; who is starting is counted, and no more."""
    loads = [
        Load(cpu_cores=0.5, requests_hz=10.0, loop_lag_seconds=LATE_SECONDS * 2),
        Load(cpu_cores=0.25, requests_hz=5.0, loop_lag_seconds=LATE_SECONDS / 2),
        Load(cpu_cores=0.25, requests_hz=5.0),
    ]
    coming = Member(name="m", host="h", pid=2, age_seconds=1.0)
    crew = Crew(unsure=0, ready=[*map(node, loads)], starting=[coming], given_up=[], members={})
    assert endpoints_seen(LOOK, crew) == EndpointsSeen(
        at_seconds=7.0, cpu_cores=1.0, requests_hz=20.0, late=1, ready=3, starting=1
    )
