"""The servers of one logical Redis: finding the primary, and hearing the others out.

A configuration, in a Sentinel's head or in a person's address, says who shall be the primary. A
server counts as one only when it says so itself, in its ROLE, on the very connection that will be
used. Whoever is asked afterwards about a change that not all have confirmed is asked here too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from workmill.domain.errors import StoreUnavailable
from workmill.store.redis.acknowledgement import Answer, Level, Picture, Witness
from workmill.store.redis.addresses import Address, Node
from workmill.store.redis.connection import ANSWER_SECONDS, Connection, Refused, Silent
from workmill.store.redis.durability import QUESTIONS, Shown, faults, read_shown, refusal
from workmill.store.redis.replication_info import read_replication, read_role
from workmill.store.redis.sentinel import Sentinels, choose

PEER_SECONDS: Final = 0.3
"""How long a server without the change may take to connect, and again to answer."""
RETURN_SECONDS: Final = 1.0
"""How long a server that was lost may take to say who it is: everybody waits meanwhile."""
_ABOUT_ITSELF: Final = (("ROLE",), ("INFO", "replication"))


@dataclass(frozen=True, slots=True)
class Primary:
    """A server that has said that it is the primary, and the history that it writes."""

    connection: Connection
    history: str
    replicas: int
    """How many were online when it was asked."""
    shown: Shown


class Servers:
    """Every server of one logical Redis, as far as Sentinels or the address tell."""

    def __init__(
        self, address: Address, level: Level, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        """`answer_seconds` is how long the primary may be silent."""
        self._address = address
        self._level = level
        self._answer_seconds = answer_seconds
        self._peers: dict[Node, Connection] = {}
        self._sentinels: Sentinels | None = None
        if address.name is not None:
            self._sentinels = Sentinels(address.nodes, address.name, address.access)
        self.known: frozenset[Node] = frozenset()
        """The data servers that the Sentinels, or most of them, know of."""

    def find_primary(
        self,
        note: Callable[[Shown], object] = lambda _: None,
        seconds: float | None = None,
    ) -> Primary:
        """Connect to the primary. Raises Silent or Refused, or StoreUnavailable when what is
        there cannot keep the level. `note` is told what it shows, whatever follows from that.
        `seconds` is how long it may take to show it, where that is less than it may be silent."""
        connection = Connection(
            self._primary_node(), self._address.access, answer_seconds=self._answer_seconds
        )
        try:
            return self._verified(connection, note, seconds)
        except BaseException:
            connection.close()
            raise

    def _primary_node(self) -> Node:
        if self._sentinels is None:
            return self._address.nodes[0]
        witnesses = self._sentinels.ask()
        found = choose(witnesses)
        if found is None:
            why = self._sentinels.complaint
            raise Silent(f"no Sentinel knows the primary of {self._address}: {why}", sent=False)
        self._learn(witnesses)
        return found

    def _verified(
        self, connection: Connection, note: Callable[[Shown], object], seconds: float | None
    ) -> Primary:
        replies = connection.ask_all([("ROLE",), *QUESTIONS], seconds)
        refused = next((reply for reply in replies[:2] if isinstance(reply, Refused)), None)
        if refused is not None:
            raise refused
        role, replication = read_role(replies[0]), read_replication(replies[1])
        if not role.is_primary:
            raise Silent(
                f"{connection.node} is a replica of {role.follows}, not the primary", sent=False
            )
        shown = read_shown(connection.node, *replies[1:])
        note(shown)
        why = refusal(faults(shown, self._level), connection.node, "Nothing was sent.")
        if why is not None:
            raise StoreUnavailable(why)
        return Primary(connection, replication.history, len(replication.acknowledged), shown)

    def evidence(self, picture: Picture, missing: Iterable[Node]) -> Picture:
        """The picture with what Sentinels and the `missing` servers say now."""
        witnesses = self._sentinels.ask() if self._sentinels else []
        self._learn(witnesses)
        answers: dict[Node, Answer] = {}
        closed = set()
        for node in missing:
            try:
                answers[node] = self._hear(node)
            except Silent as silent:
                if silent.closed:
                    closed.add(node)
            except Refused:
                continue
        return replace(
            picture,
            known=self.known,
            witnesses=tuple(witnesses),
            sentinels=len(self._sentinels or ()),
            answers=answers,
            closed=frozenset(closed),
        )

    def _learn(self, witnesses: list[Witness]) -> None:
        """A server is forgotten only when most Sentinels answer and none of them names it."""
        named = {node for said in witnesses for node in (said.primary, *said.replicas)}
        most = self._sentinels is not None and len(witnesses) * 2 > len(self._sentinels)
        self.known = frozenset(named if most else self.known | named)

    def _hear(self, node: Node) -> Answer:
        """What a server says about itself. Raises Silent or Refused."""
        role, replication = self._peer(node).ask_all(_ABOUT_ITSELF, seconds=PEER_SECONDS)
        return Answer(role=read_role(role), replication=read_replication(replication))

    def _peer(self, node: Node) -> Connection:
        known = self._peers.get(node)
        if known is None or not known.is_alive():
            known = Connection(node, self._address.access, connect_seconds=PEER_SECONDS)
            self._peers[node] = known
        return known

    def close(self) -> None:
        """Leave every connection that was made here, but for the primary's."""
        for connection in self._peers.values():
            connection.close()
        self._peers.clear()
        if self._sentinels is not None:
            self._sentinels.close()
