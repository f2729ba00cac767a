"""What a server says about itself and its replicas (ROLE, INFO replication), as plain values.

A reply that cannot be read is none (Silent): what was sent may have been carried out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from workmill.store.redis.addresses import Node
from workmill.store.redis.connection import Silent

NO_HISTORY: Final = "0" * 40
"""What stands for `master_replid2` where a server never followed another."""


UNREADABLE: Final = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What comes of reading a reply as what it is not."""
SHOWN_CHARACTERS: Final = 100


def no_reply(question: str, reply: object) -> Silent:
    """What to raise where this is no reply to it."""
    return Silent(f"no reply to {question}: {repr(reply)[:SHOWN_CHARACTERS]}", sent=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Role:
    """The reply to ROLE. A primary has an offset and its online replicas; a replica has the one
    it follows and how far the link to it has come (connect, connecting, handshake, sync,
    connected)."""

    is_primary: bool
    offset: int = 0
    replicas: frozenset[Node] = frozenset()
    follows: Node | None = None
    link: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replication:
    """The reply to INFO replication: the history a server writes (`history`), the one it has
    taken over (`earlier`), and of each online replica the offset it has acknowledged."""

    is_primary: bool
    history: str
    earlier: str
    offset: int
    acknowledged: Mapping[Node, int]


def read_role(reply: Any) -> Role:
    """Raises Silent when it is no reply to ROLE."""
    try:
        kind = reply[0]
        if kind == b"master":
            return Role(
                is_primary=True,
                offset=int(reply[1]),
                replicas=frozenset(Node(ip.decode(), int(port)) for ip, port, _ in reply[2]),
            )
        if kind == b"slave":
            follows = Node(reply[1].decode(), int(reply[2]))
            return Role(is_primary=False, follows=follows, link=reply[3].decode())
    except UNREADABLE as error:
        raise no_reply("ROLE", reply) from error
    raise Silent(f"neither primary nor replica: {repr(kind)[:SHOWN_CHARACTERS]}", sent=True)


def read_replication(reply: Any) -> Replication:
    """Raises Silent when it is no reply to INFO replication."""
    try:
        fields = dict(line.split(":", 1) for line in reply.decode().splitlines() if ":" in line)
        return Replication(
            is_primary=fields["role"] == "master",
            history=fields["master_replid"],
            earlier=fields["master_replid2"],
            offset=int(fields["master_repl_offset"]),
            acknowledged=_acknowledged(fields),
        )
    except UNREADABLE as error:
        raise no_reply("INFO replication", reply) from error


def _acknowledged(fields: Mapping[str, str]) -> dict[Node, int]:
    found = {}
    for number in range(min(int(fields.get("connected_slaves", 0)), len(fields))):
        words = dict(
            word.split("=", 1) for word in fields.get(f"slave{number}", "").split(",") if word
        )
        if words.get("state") == "online":
            found[Node(words["ip"], int(words["port"]))] = int(words["offset"])
    return found
