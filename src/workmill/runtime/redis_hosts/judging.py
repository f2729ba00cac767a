"""May this host start its data server, and as what? May its replica be promoted, whom does it
follow? Pure.

Theory. Sentinel and Redis alone lose everything in three ways, each of one fault too many for
them and each refused here:

- A primary restarts with an empty directory (a new disk, a wrong path) before it is missed. Its
  replicas copy the emptiness. So a server starts as a primary only when a majority of Sentinels
  name it and its directory holds data that were once in step; otherwise it waits until they
  name another.
- A host starts while it is cut off, and takes an old word for the truth. So no majority, no
  start.
- A replica that has not finished its first copy is promoted, because Sentinel takes "never
  connected" for "not long disconnected". So a server has priority 0, which Sentinel never
  promotes, from its start until its link has been up, again while it takes a whole new copy, and
  while it is primary, so that one that is demoted with words nobody else has begins at 0.

A replica that only lost its primary keeps its priority: it is the one to promote.

Who follows whom. Sentinels only promote. A single Sentinel would also turn servers round, to what
it believes, and one that was cut off believes in the past: it made the new primary a replica of
the old one, and all that was acknowledged since was lost. So the right to do that is not theirs
(`users`), and every server is turned by the watch beside it, to the primary that a majority name.

- Majorities do not go back. A Sentinel's configuration has an epoch and only ever changes for a
  higher one, each epoch names one primary, and two majorities share a Sentinel. So whoever sees a
  majority name a primary, after another majority was seen, sees the same one or a newer one.
- A replica therefore follows the one that is named. A primary follows when it has been named in
  its history, or began as a primary (its start had seen it named), and another is named now: that
  one is newer.
- A primary that was promoted and has not been named yet may be the next primary, whom its
  Sentinel has not told the others yet. It is left alone. One that is not named for long is a stray
  (the Sentinel that promoted it died, or its order came late). It is ended and starts anew, which
  asks again: if it was the next one after all, it has everything, and comes back as that.
- Nobody confirms a change to a primary that was never named, for nobody turned to it; only a
  server that still follows it from an earlier time could.
- An order goes to the server as it was looked at, or to nobody (`server`).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

PROMOTABLE = 100
NEVER_PROMOTED = 0
STRAY_SECONDS = 30.0
"""How long a server that was promoted may wait to be named. Safety does not rest on it."""


class Start(NamedTuple):
    """Start now: as a replica of `primary`, or as the primary when that is None."""

    primary: str | None


class Wait(NamedTuple):
    """Do not start yet, because of this."""

    reason: str


class Peer(NamedTuple):
    """Another host's data server, when it answers."""

    address: str
    is_primary: bool
    keys: int


class Surroundings(NamedTuple):
    """What a host knows when it wants to start: `named` is the primary's address as each
    Sentinel gives it, None for one that gives none."""

    own_address: str
    named: Sequence[str | None]
    majority: int
    holds_data: bool
    founding: bool
    peers: Sequence[Peer]


def agreed_primary(named: Sequence[str | None], majority: int) -> str | None:
    """The primary that a majority of Sentinels name, when there is one."""
    counted = Counter(address for address in named if address is not None)
    return next((address for address, votes in counted.items() if votes >= majority), None)


def judged_start(seen: Surroundings) -> Start | Wait:
    """Whether this host's data server may start now, and as what."""
    named = agreed_primary(seen.named, seen.majority)
    if named is None:
        told = ", ".join(address or "no answer" for address in seen.named)
        return Wait(
            f"The Sentinels say: {told}. {seen.majority} must name the same primary. Start them, "
            "or mend the network between the hosts."
        )
    if named != seen.own_address:
        return Start(named)
    if seen.holds_data:
        return Start(None)
    if not seen.founding:
        return Wait(
            "The Sentinels name this host as the primary, but its directory holds no data that "
            "were once in step. As a primary it would wipe its replicas. It will follow the host "
            "that the Sentinels choose instead. If this is a new set, found it (README.md)."
        )
    return _judged_founding(seen.peers)


def _judged_founding(peers: Sequence[Peer]) -> Start | Wait:
    living = [peer for peer in peers if peer.is_primary or peer.keys]
    if living:
        told = ", ".join(f"{peer.address} ({peer.keys} keys)" for peer in living)
        return Wait(f"A new store is not founded: there is one already, on {told}.")
    return Start(None)


class Replication(NamedTuple):
    """What a data server says about itself (INFO). `promoted` is whether it has been a replica
    since its process began: else, if it is a primary, its start made it one."""

    is_primary: bool
    link_up: bool
    copying: bool
    priority: int
    follows: str | None
    history: str
    promoted: bool
    process: int


def judged_priority(now: Replication) -> int:
    """The priority that this server should have from now on."""
    if now.is_primary or now.copying:
        return NEVER_PROMOTED
    return PROMOTABLE if now.link_up else now.priority


class Follow(NamedTuple):
    """The server follows this primary from now on."""

    primary: str


class StartAnew(NamedTuple):
    """The server ends; its start asks what it should be."""


class Roles:
    """What a server should do, told by what it says of itself and whom a majority of Sentinels
    name, look by look. The theory is at the head of this file."""

    def __init__(self, own_address: str) -> None:
        self._own = own_address
        self._named = ""
        """The history under which a majority have named this server."""
        self._stray: tuple[str, float] | None = None
        """The history under which it seems to be a stray, and since when."""

    def judged(
        self, now: Replication, agreed: str | None, seconds: float
    ) -> Follow | StartAnew | None:
        """What must change, at this time of a clock that only goes forward."""
        stray, self._stray = self._stray, None
        if agreed is None:
            return None
        if agreed == self._own:
            if now.is_primary:
                self._named = now.history
            return None
        if not now.is_primary:
            return Follow(agreed) if now.follows != agreed else None
        if not now.promoted or now.history == self._named:
            return Follow(agreed)
        if stray is None or stray[0] != now.history:
            stray = (now.history, seconds)
        self._stray = stray
        return StartAnew() if seconds - stray[1] > STRAY_SECONDS else None
