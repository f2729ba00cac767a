"""What the policies make of a look: the figures that they decide by."""

from __future__ import annotations

from msgspec.structs import replace
from tests.unit.controller.controller_sim import Mill

from workmill.controller.endpoint_scaling import LATE_SECONDS, EndpointsSeen
from workmill.controller.fleet import Member
from workmill.controller.node_roster import Crew
from workmill.controller.policy_adapters import Look, WorkerPolicy, endpoints_seen
from workmill.controller.worker_scaling import Limits
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


def seen(at_seconds: float, *, done: int, unavailable: tuple[str, ...] = ()) -> Look:
    """Nothing waits; so much was done by then, as far as the parts that answer tell."""
    figures = Mill().stats()
    stats = replace(figures.stats, iterations_done_total=done, unavailable=unavailable)
    return Look(at_seconds=at_seconds, stats=replace(figures, stats=stats), nodes=[])


def test_a_part_that_comes_back_is_no_arrival() -> None:
    """Its figures jump into the sums; how many workers are wanted does not."""
    limits = Limits(min_workers=1, max_workers=50, start_seconds=1.0, cool_down_seconds=5.0)
    worker = Node(
        incarnation="w", role="worker", host="h", pid=1, version="0", rate_hz=1e6, slots=8
    )
    crew = Crew(unsure=0, ready=[worker], starting=[], given_up=[], members={})
    policy = WorkerPolicy(limits)
    for second in range(20):
        policy.want(seen(second, done=10**6, unavailable=("part 1",)), crew, 1.0)
    back = seen(20.0, done=10**12)
    found, fresh = policy.want(back, crew, 1.0), WorkerPolicy(limits).want(back, crew, 1.0)
    assert found == fresh
