"""HAProxy's servers as slots, and the words that fill and empty them. Pure: no I/O here.

Theory. HAProxy can add servers while it runs, but those are gone with the next reload and take
over none of the defaults. So `deploy/haproxy/haproxy.cfg` has a fixed number of slots, all in
maintenance. A free slot gets an address and is made ready; HAProxy's state file carries that over
a reload. A slot in maintenance is free, whatever address it still bears.

A server that is made ready counts as up before its first check. So it is declared down in the
same breath, and comes up when its checks succeed.
"""

from __future__ import annotations

import csv
import ipaddress
from collections.abc import Sequence
from typing import Final, NamedTuple

from workmill.controller.balancer import Member, Place, Standing
from workmill.domain.errors import InvalidInput, Unavailable

BACKEND: Final = "workmill"
LOOK: Final = f"show stat {BACKEND} 4 -1"
"""Asks for the figures of all servers (type 4) of the backend."""
_SERVER: Final = "2"
"""How a server's line names its type; the answer may hold nothing else, but says so."""


class Slot(NamedTuple):
    """One server of the backend."""

    name: str
    place: Place
    status: str
    under_way: int
    answered_total: int

    @property
    def free(self) -> bool:
        """Whether another endpoint may have it: nobody's requests are left in it either."""
        return self.vacated and self.under_way == 0

    @property
    def vacated(self) -> bool:
        return self.status.startswith("MAINT")

    @property
    def member(self) -> Member:
        """The endpoint in this slot."""
        standing: Standing = "out"
        if self.status.startswith("DRAIN"):
            standing = "draining"
        elif self.status.startswith(("UP", "no check")):
            standing = "serving"
        return Member(self.place, standing, self.under_way, self.answered_total)


def read_slots(answer: str) -> list[Slot]:
    """The slots in the answer to `LOOK`. Raises Unavailable for any other answer."""
    lines = answer.strip().removeprefix("# ").splitlines()
    try:
        found = [_slot(row) for row in csv.DictReader(lines) if row["type"] == _SERVER]
    except (KeyError, ValueError, TypeError, AttributeError):
        found = []
    if not found:
        raise Unavailable(
            f"The balancer did not show its backend {BACKEND!r} but said {answer.strip()[:200]!r}. "
            "Nothing was changed. Run it with deploy/haproxy/haproxy.cfg."
        )
    return found


def to_add(slots: Sequence[Slot], place: Place) -> list[str]:
    """The commands after which this endpoint is served. Raises Unavailable when all are taken."""
    place = _checked(place)
    slot = _slot_of(slots, place)
    if slot is not None:
        return [_state(slot, "ready")]
    slot = next((slot for slot in slots if slot.free), None)
    if slot is None:
        raise Unavailable(
            f"All {len(slots)} slots of the balancer are taken: {place} was not added. Remove "
            "endpoints, or raise the number behind `server-template` and reload."
        )
    server = f"{BACKEND}/{slot.name}"
    return [
        f"set server {server} addr {place.host} port {place.port}",
        f"set server {server} state ready; set server {server} health down",
    ]


def to_drain(slots: Sequence[Slot], place: Place) -> list[str]:
    """The commands after which this endpoint gets nothing new; none when it is unknown."""
    slot = _slot_of(slots, _checked(place))
    return [] if slot is None else [_state(slot, "drain")]


def to_remove(slots: Sequence[Slot], place: Place) -> list[str]:
    """The commands after which its slot is free and its callers are let go."""
    slot = _slot_of(slots, _checked(place))
    if slot is None:
        return []
    return [_state(slot, "maint"), f"shutdown sessions server {BACKEND}/{slot.name}"]


def refusal(answer: str) -> str | None:
    """What is wrong with the answer to a command that changes something, if anything is."""
    said = answer.strip()
    moved = said.endswith("by 'stats socket command'")
    return None if moved or not said else said[:200]


def _slot(row: dict[str, str]) -> Slot:
    host, _, port = row["addr"].rpartition(":")
    return Slot(
        name=row["svname"],
        place=Place(host.strip("[]"), int(port)),
        status=row["status"],
        under_way=int(row["scur"]) + int(row["qcur"]),
        answered_total=int(row["req_tot"]),
    )


def _slot_of(slots: Sequence[Slot], place: Place) -> Slot | None:
    return next((slot for slot in slots if slot.place == place and not slot.vacated), None)


def _state(slot: Slot, state: str) -> str:
    return f"set server {BACKEND}/{slot.name} state {state}"


def _checked(place: Place) -> Place:
    """As HAProxy writes it. The commands are text: only an address and a port may get in."""
    try:
        host = str(ipaddress.ip_address(place.host))
    except ValueError:
        raise InvalidInput(
            f"{place.host!r} is no IP address. Nothing was changed. Give an address, not a name."
        ) from None
    if not 0 < place.port < 2**16:
        raise InvalidInput(f"{place.port} is no port. Nothing was changed.")
    return Place(host, place.port)
