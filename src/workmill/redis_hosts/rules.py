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
(`acl`), and every server is turned by the watch beside it, to the primary that a majority name.

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
- An order goes to the server as it was looked at, or to nobody (`data_server`).

Who can be spared. Where the network between the primary and one living replica is broken, or only
one way of it, nothing may be confirmed: the replica lacks changes and could be promoted. So when
the primary does not answer a replica's host, and another replica is linked to it and has all that
this one has, of the same history, this one is ended: nobody loses a copy that only it had, a server
that is down cannot be promoted, and changes are confirmed without it. It is not started while
that lasts. Two replicas cannot spare each other, for the one that is linked is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

PROMOTABLE = 100
NEVER_PROMOTED = 0
STRAY_SECONDS = 30.0
"""How long a server that was promoted may wait to be named. Safety does not rest on it."""
SPARED_SECONDS = 5.0
"""How long a replica that can be spared may try to reach its primary; nor on this."""


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
    cut_off: bool = False
    """The named primary does not answer this host, and another replica is linked to it."""


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
    if named != seen.own_address and seen.cut_off:
        return Wait(
            f"The primary {named} does not answer this host, and another host follows it. Mend the "
            "network between the two. A replica that lives and cannot follow would hold up every "
            "change, so it is not started before."
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
    since its process began: else, if it is a primary, its start made it one. `history` and `offset`
    are how much it has, of whose data."""

    is_primary: bool
    link_up: bool
    copying: bool
    priority: int
    follows: str | None
    history: str
    offset: int
    promoted: bool
    process: int
    lax: tuple[str, ...] = ()
    """The settings of its log that are not what they must be."""


def judged_priority(now: Replication) -> int:
    """The priority that this server should have from now on."""
    if now.is_primary or now.copying:
        return NEVER_PROMOTED
    return PROMOTABLE if now.link_up else now.priority


def is_spared(now: Replication, linked: Sequence[Replication]) -> bool:
    """Whether one of these, which are linked to the primary that does not answer this host, has
    all that this replica has."""
    return not (now.is_primary or now.link_up or now.copying) and any(
        (other.follows, other.history) == (now.follows, now.history) and other.offset >= now.offset
        for other in linked
    )


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
        self._wrong: tuple[str, float] | None = None
        """The history under which something seems to be wrong, and since when."""

    def judged(
        self, now: Replication, agreed: str | None, seconds: float, *, spared: bool = False
    ) -> Follow | StartAnew | None:
        """What must change, at this time of a clock that only goes forward."""
        wrong, self._wrong = self._wrong, None
        if agreed is None:
            return None
        if agreed == self._own:
            if now.is_primary:
                self._named = now.history
            return None
        if now.is_primary and now.promoted and now.history != self._named:
            return self._wrong_for(STRAY_SECONDS, now, wrong, seconds)
        if now.follows != agreed:
            return Follow(agreed)
        return self._wrong_for(SPARED_SECONDS, now, wrong, seconds) if spared else None

    def _wrong_for(
        self, limit: float, now: Replication, before: tuple[str, float] | None, seconds: float
    ) -> StartAnew | None:
        since = seconds if before is None or before[0] != now.history else before[1]
        self._wrong = (now.history, since)
        return StartAnew() if seconds - since > limit else None
