"""The port to whatever spreads requests over endpoints.

Theory. A balancer judges the health of its endpoints by itself, by `/readyz`, every second. So
this port is only about who belongs to it. An endpoint comes in by `add` and is served once the
balancer has seen it ready; it leaves in two steps: `drain`, after which nothing new is sent to
it, and, when nothing is under way any more or patience is at its end, `remove`. Every verb may be
repeated: it says what shall be, and is harmless where that is so already. What a balancer has
forgotten, a controller adds again.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

Standing = Literal["serving", "out", "draining"]
"""`out`: it belongs here and gets nothing, because it is not ready or does not answer."""


class Place(NamedTuple):
    """Where an endpoint listens: an IP address, for names are not looked up here, and a port."""

    host: str
    port: int


class Member(NamedTuple):
    """One endpoint as its balancer sees it. `under_way` are requests sent and not yet answered."""

    place: Place
    standing: Standing
    under_way: int
    answered_total: int


class Balancer(Protocol):
    """Every verb raises Unavailable when the balancer does not answer or refuses."""

    async def members(self) -> list[Member]:
        """The endpoints that belong to it."""
        ...

    async def add(self, place: Place) -> None:
        """Serve this endpoint once it is ready; one that drains is taken back."""
        ...

    async def drain(self, place: Place) -> None:
        """Send nothing new there, and let what is under way finish."""
        ...

    async def remove(self, place: Place) -> None:
        """Forget this endpoint, and cut what is still under way there."""
        ...
