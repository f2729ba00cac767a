"""What a worker or a controller says of itself, as `POST /v1/nodes/beat` takes it.

It is a `domain.job.Node` whose figures are bounded: every prediction is made from sums of them, and
one that is no number would spoil them all. An endpoint's beat goes straight into its store instead:
who serves is known to the balancer, and nobody who only has the key has work sent to a place of his
own.
"""

from __future__ import annotations

from typing import Annotated, Final

from msgspec import Meta

from workmill.domain.errors import InvalidInput
from workmill.domain.job import Load, Natural, Node
from workmill.domain.limits import MAX_NAME_CHARACTERS, MAX_RATE_HZ

ROLES: Final = ("worker", "controller")
"""Who beats through an endpoint."""
Name = Annotated[str, Meta(max_length=MAX_NAME_CHARACTERS)]
Figure = Annotated[float, Meta(ge=0, le=MAX_RATE_HZ)]
Share = Annotated[float, Meta(ge=0, le=1)]


class BeatLoad(Load, frozen=True, kw_only=True, gc=False):
    """See `Load`."""

    cpu_cores: Figure = 0.0
    resident_bytes: Natural = 0
    memory_fraction: Share = 0.0
    disk_fraction: Share = 0.0
    loop_lag_seconds: Figure = 0.0
    requests_hz: Figure = 0.0


class Beat(Node, frozen=True, kw_only=True, gc=False):
    """See `Node`. `serves` stays empty, and only a controller has a term in `leads`."""

    incarnation: Name
    role: Annotated[Name, Meta(extra_json_schema={"enum": ROLES})]
    host: Name
    pid: Natural
    version: Name
    rate_hz: Figure = 0.0
    slots: Natural = 0
    leased: Natural = 0
    load: BeatLoad = BeatLoad()
    serves: Annotated[str, Meta(extra_json_schema={"maxLength": 0})] = ""
    leads: Natural = 0

    def node(self) -> Node:
        """The node that beats. Raises InvalidInput when it may not, in words of its own."""
        if self.role not in ROLES or self.serves:
            raise InvalidInput(
                f"Only a {' or a '.join(ROLES)} beats by this call, and `serves` stays empty: an "
                "endpoint says by itself where it serves. Nothing was kept."
            )
        if self.leads and self.role != "controller":
            raise InvalidInput("Only a controller leads. Nothing was kept.")
        return Node(**{name: getattr(self, name) for name in Node.__struct_fields__})


BeatBody = Annotated[
    Beat,
    Meta(
        extra_json_schema={
            "if": {"properties": {"role": {"const": "worker"}}},
            "then": {"properties": {"leads": {"const": 0}}},
        }
    ),
]
"""As the call takes it: a worker leads nobody."""
