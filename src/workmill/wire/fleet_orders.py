"""What a controller and the supervisor of a machine say to each other about its processes.

Over a Unix socket: one request as a line of JSON, one answer as another, over a connection of its
own. The socket lies in a directory that only its owner can enter: who may open it may order.
"""

from __future__ import annotations

from typing import Final, Literal

from workmill.wire.messages import Message

MAX_LINE_BYTES: Final = 1024 * 1024
"""An answer may list some thousands of members."""
ANSWER_SECONDS: Final = 2.0


class Order(Message, frozen=True, kw_only=True):
    """To the fleet of one role, by the leader with this token. `list` orders nothing."""

    role: str
    token: int
    act: Literal["list", "start", "drain", "end"] = "list"
    count: int = 0
    """How many to start."""
    name: str = ""
    """Whom to drain or end."""


class Place(Message, frozen=True, kw_only=True):
    """One member of the fleet; see `controller.fleet.Member`."""

    name: str
    host: str
    pid: int
    age_seconds: float
    stopping: bool


class Muster(Message, frozen=True, kw_only=True):
    """The answer to every order: the fleet as it is then, or why nothing was done."""

    members: tuple[Place, ...] = ()
    refused: str = ""
