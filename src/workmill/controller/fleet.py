"""The port to whatever can start and stop the nodes of a cluster: processes here, machines there.

Theory. A fleet knows what was started and not what it is worth: whether a node works is told by
its beats. So it has three verbs and no judgement. What it started it marks as its own, in the
place where it lives (a tag, a table of children), not in a memory that a controller could lose:
`list` is the truth, and the next leader sees what this one started. To stop is to let drain: a
worker hands its work back, an endpoint answers what is under way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal, NamedTuple, Protocol

Role = Literal["endpoint", "worker", "controller"]

START_SECONDS: Final = 300.0
"""How long a machine may take from its launch to its first beat."""


class Machine(NamedTuple):
    """What a fleet started: one process, or one machine that runs one role."""

    id: str
    role: str
    zone: str
    address: str
    """Where it can be reached by its neighbours; empty until that is known."""
    started_at_ms: int
    stopping: bool = False


class Fleet(Protocol):
    """Every verb raises Unavailable when the place where it starts things does not answer."""

    async def start(self, role: Role, count: int) -> Sequence[Machine]:
        """Start up to `count` more; those that were started, fewer where there is no room."""
        ...

    async def stop(self, ids: Iterable[str]) -> None:
        """Let these drain and end. One that is gone, or not this fleet's, is left in peace."""
        ...

    async def list(self) -> Sequence[Machine]:
        """All that this fleet's cluster started and that has not ended, whoever started it."""
        ...


def spread(standing: Mapping[str, int], count: int) -> dict[str, int]:
    """How many of `count` new machines go to each zone, so that all have as equal a number as can
    be. `standing` has every zone, with how many are there; ties go to the first by name."""
    numbers = dict(standing)
    share = dict.fromkeys(numbers, 0)
    for _ in range(count):
        zone = min(numbers, key=lambda name: (numbers[name], name))
        numbers[zone] += 1
        share[zone] += 1
    return {zone: new for zone, new in share.items() if new}


def orphans(machines: Iterable[Machine], hosts: Iterable[str], now_ms: int) -> list[Machine]:
    """Machines that cost and do nothing: up for `START_SECONDS`, and no node there beats.

    `hosts` are the names under which live nodes beat; a machine is known by its id as the first
    part of such a name.
    """
    alive = {host.partition(".")[0] for host in hosts}
    return [
        machine
        for machine in machines
        if machine.id not in alive
        and not machine.stopping
        and now_ms - machine.started_at_ms > START_SECONDS * 1000
    ]
