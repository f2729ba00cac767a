"""Where nodes come from: the port to whatever can start and stop them.

An order is given, not waited for: a machine takes minutes to come, a drain its seconds. `list` says
how far things are, and the controller looks there again with every turn. So an order may be given
twice without harm, and a controller that dies in the middle leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One node of a fleet, from its order to its end."""

    name: str
    """The fleet's own, never given twice."""
    host: str
    pid: int | None = None
    """None where a member has its host for itself, 0 until it is known."""
    age_seconds: float
    """Since it was ordered."""
    stopping: bool = False


class Fleet(Protocol):
    """Nodes of one role. Every look and every order bears the token of the leader that it comes
    from, and an order with an older token than was seen before is refused: its leader was
    replaced."""

    def list(self, token: int) -> Sequence[Member]:
        """All that were ordered and have not ended. Raises Unavailable when that is not known."""
        ...

    def start(self, count: int, token: int) -> None:
        """Order so many more. Fewer may come, or none: the next turn sees."""
        ...

    def stop(self, member: Member, token: int, *, drain: bool) -> None:
        """Let it drain and end, or end it at once."""
        ...


class Fence:
    """Remembers the highest token that was shown here. Fleets that one leader orders about may
    share one."""

    def __init__(self) -> None:
        self._token = 0

    def admits(self, token: int) -> bool:
        """Whether this token is that of the latest leader known here."""
        self._token = max(self._token, token)
        return token == self._token
