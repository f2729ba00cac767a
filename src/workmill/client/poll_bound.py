"""How many waits of one client may hold a connection of the endpoint's at a time.

A long poll keeps its connection for as long as it waits. Hundreds of waits at once would take
every connection there may be, and a short call would find none. So `MOST` waits poll; those beyond
look in from time to time, the more rarely the more of them there are.
"""

from __future__ import annotations

from typing import Final

from workmill.client import forks

MOST: Final = 100
"""Long polls at a time, of one client."""
LOOKS_PER_SECOND: Final = 100.0
"""Of all together that have no connection of their own."""
SHORTEST_PAUSE_SECONDS: Final = 0.5


class Polls:
    """Counts the waits of one client. Threads may share it."""

    def __init__(self) -> None:
        self._free = list(range(MOST))
        self._waiting: set[object] = set()
        forks.watch(self)

    def after_fork(self) -> None:
        """The parent's waits are not ours."""
        self._free = list(range(MOST))
        self._waiting = set()

    def take(self, wait: object) -> int | None:
        """A place to poll in, or None: then look again after `pause_seconds`."""
        try:
            place = self._free.pop()
        except IndexError:
            self._waiting.add(wait)
            return None
        self._waiting.discard(wait)
        return place

    def give(self, place: int) -> None:
        """This poll has been answered."""
        if place not in self._free:  # a child of a fork may still hold one of its parent's
            self._free.append(place)

    def leave(self, wait: object) -> None:
        """This wait is over."""
        self._waiting.discard(wait)

    def pause_seconds(self) -> float:
        """How long one that has no place holds back before it looks again."""
        return max(SHORTEST_PAUSE_SECONDS, len(self._waiting) / LOOKS_PER_SECOND)
