"""May this host start its data server, and as what? May its replica be promoted? Pure.

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

A primary that was replaced while it was paused or cut off goes on believing in itself until it
is told. Sentinel tells it after up to ten seconds; the watch beside it asks twice a second.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

PROMOTABLE = 100
NEVER_PROMOTED = 0


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
    """What a data server says about itself (INFO replication)."""

    is_primary: bool
    link_up: bool
    copying: bool
    priority: int


def judged_priority(now: Replication) -> int:
    """The priority that this server should have from now on."""
    if now.is_primary or now.copying:
        return NEVER_PROMOTED
    return PROMOTABLE if now.link_up else now.priority


class Primacy:
    """Whether a primary has been replaced, told by what it sees of the Sentinels look by look.

    A server is promoted before a majority of Sentinels name it. So one that they do not name may
    be the next primary as well as the last: only one that they have named, and then name no
    more, has been replaced.
    """

    def __init__(self, own_address: str) -> None:
        self._own = own_address
        self._was_named = False

    def no_primary(self) -> None:
        """This server follows another one now."""
        self._was_named = False

    def successor(self, agreed: str | None) -> str | None:
        """Who has replaced this primary, as `agreed` by a majority of Sentinels."""
        if agreed == self._own:
            self._was_named = True
        return agreed if self._was_named and agreed != self._own else None
