"""What the Sentinels say: who the primary is, who its replicas are, which of them are down.

Theory. No single Sentinel is believed. Each answers with the epoch of its configuration, and a
failover raises that epoch by majority; so the highest epoch that any of them has is the newest
configuration, and among equal epochs the more numerous answer wins. The server so found is then
asked for its ROLE, because a configuration says what shall be, not what is.

"Down" is a server that has been silent for `down-after-milliseconds` (`s_down`). A lost connection
(`disconnected`) is told apart from that: a failover begins by ending every connection to the
server that it promotes, so at that moment all Sentinels report the new primary so.

A Sentinel among them may watch another set under the same name, put there by mistake or through an
address that has moved. Its epoch says nothing here. So where most of them know servers in common,
whoever knows none of these is not heard. After a failover the old primary is still known as a
replica, so the first to hear of it is never taken for a stranger.

Sentinels are asked all at once over connections that stay open. One that cannot be reached is
left alone for a while, so that a dead Sentinel does not cost a time-out at every question.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any, Final

from workmill.store.redis.acknowledgement import Witness
from workmill.store.redis.addresses import Access, Node
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.replication_info import UNREADABLE, no_reply
from workmill.telemetry import emit_rarely

CONNECT_SECONDS: Final = 0.3
ANSWER_SECONDS: Final = 0.5
LEFT_ALONE_SECONDS: Final = 2.0
_DOWN: Final = "s_down"
_CUT: Final = "disconnected"

Connect = Callable[[Node], Connection]


class Sentinels:
    """All Sentinels that watch one primary by its name."""

    def __init__(self, nodes: Sequence[Node], name: str, access: Access) -> None:
        self._name = name
        self._access = access
        self._open: dict[Node, Connection] = {}
        self._left_alone_until: dict[Node, float] = dict.fromkeys(nodes, 0.0)
        self.complaint = ""
        """What the last Sentinel that gave no answer had to say."""

    def __len__(self) -> int:
        return len(self._left_alone_until)

    def ask(self) -> list[Witness]:
        """What each of them says that answers in time, but for those of another set."""
        questions = [("SENTINEL", "MASTER", self._name), ("SENTINEL", "REPLICAS", self._name)]
        asked = []
        for node in self._left_alone_until:
            connection = self._connection(node)
            if connection is not None:
                try:
                    connection.send(questions)
                    asked.append(connection)
                except Silent as silent:
                    self._leave(node, silent)
        heard = {one.node: said for one in asked if (said := self._listen(one)) is not None}
        believed = kin(list(heard.values()), len(self))
        for node, said in heard.items():
            if said not in believed:
                self.complaint = f"{node} watches another set, whose primary is {said.primary}"
                emit_rarely("store.stranger", level="error", detail=self.complaint)
        return believed

    def close(self) -> None:
        for connection in self._open.values():
            connection.close()
        self._open.clear()

    def _connection(self, node: Node) -> Connection | None:
        known = self._open.get(node)
        if known is not None and known.is_alive():
            return known
        if time.monotonic() < self._left_alone_until[node]:
            return None
        try:
            self._open[node] = Connection(
                node,
                self._access,
                connect_seconds=CONNECT_SECONDS,
                answer_seconds=ANSWER_SECONDS,
            )
        except (Silent, Refused) as error:
            self._leave(node, error)
            return None
        return self._open[node]

    def _listen(self, connection: Connection) -> Witness | None:
        replies = []
        for _ in range(2):
            try:
                replies.append(connection.receive())
            except Refused as refused:
                self.complaint = f"{connection.node}: {refused}"
            except Silent as silent:
                self._leave(connection.node, silent)
                return None
        try:
            return read_witness(*replies) if len(replies) == 2 else None
        except Silent as unreadable:
            self._leave(connection.node, unreadable)
            return None

    def _leave(self, node: Node, error: Exception) -> None:
        self.complaint = str(error)
        self._left_alone_until[node] = time.monotonic() + LEFT_ALONE_SECONDS
        gone = self._open.pop(node, None)
        if gone is not None:
            gone.close()


def read_witness(primary: Any, replicas: Any) -> Witness:
    """From the replies to SENTINEL MASTER and SENTINEL REPLICAS. Raises Silent when they are none:
    no other Sentinel goes unheard for it."""
    try:
        return _witness(primary, replicas)
    except UNREADABLE as error:
        raise no_reply("SENTINEL MASTER and REPLICAS", [primary, replicas]) from error


def _witness(primary: Any, replicas: Any) -> Witness:
    about = _fields(primary)
    others = {_node(fields): fields for fields in map(_fields, replicas)}
    flags = {node: fields["flags"].split(",") for node, fields in others.items()}
    return Witness(
        primary=_node(about),
        epoch=int(about["config-epoch"]),
        replicas={node: int(fields["slave-repl-offset"]) for node, fields in others.items()},
        unlinked=frozenset(
            node for node, fields in others.items() if fields["master-link-status"] != "ok"
        ),
        down=frozenset(node for node, words in flags.items() if _DOWN in words),
        cut=frozenset(node for node, words in flags.items() if _CUT in words),
        down_after_ms=int(about["down-after-milliseconds"]),
    )


def kin(witnesses: Sequence[Witness], sentinels: int) -> list[Witness]:
    """Those that know servers in common, if they are most of all `sentinels`; else everybody. Where
    most know no replica at all, nothing in common is left after a failover: everybody is heard."""
    sets: list[tuple[set[Node], list[Witness]]] = []
    for said in witnesses:
        nodes, members = {said.primary, *said.replicas}, [said]
        related = [one for one in sets if one[0] & nodes]
        for one in related:
            nodes |= one[0]
            members += one[1]
        sets = [one for one in sets if one not in related] + [(nodes, members)]
    most = max((members for _, members in sets), key=len, default=[])
    if len(most) * 2 <= sentinels or not any(said.replicas for said in most):
        return list(witnesses)
    return [said for said in witnesses if said in most]


def choose(witnesses: Sequence[Witness]) -> Node | None:
    """The primary of the newest configuration, or None where nobody knows one."""
    votes = Counter((witness.epoch, witness.primary) for witness in witnesses)
    if not votes:
        return None
    newest = max(epoch for epoch, _ in votes)
    rivals = {node: count for (epoch, node), count in votes.items() if epoch == newest}
    return max(rivals, key=lambda node: (rivals[node], node))


def _fields(reply: Any) -> dict[str, str]:
    words = [word.decode() for word in reply]
    return dict(zip(words[::2], words[1::2], strict=True))


def _node(fields: dict[str, str]) -> Node:
    return Node(fields["ip"], int(fields["port"]))
