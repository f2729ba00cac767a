"""Is a change acknowledged? A pure judgement on what the servers have said.

Theory. Redis replicates after it has replied, and a failover keeps only what the promoted replica
has. So a change is safe when every server that could be promoted has it. `WAIT 1` of two replicas
does not show that. Worse, a primary that was paused, replaced, and resumed still believes in
itself for a while: a replica that has not been turned round yet acknowledges to it, and all that
is lost when both follow the new primary.

The rule. On one connection go the change, ROLE, WAIT and INFO. ROLE gives the offset that the
change stands at or before; INFO, after WAIT, gives the offset that each online replica has
acknowledged, and so which of them have the change, not only how many. It is acknowledged when

- the server is still the primary, of the same history as before,
- at least one replica has the change, and
- every other server that is known (to the Sentinels, to ROLE, to INFO) has it too, or is excused:
  (a) a majority of all Sentinels holds this primary for the primary and sees the other one down,
      or has lost its connection to it while its machine tells us that nobody listens there; or
  (b) it answers itself that it is a replica of this primary and is getting a whole copy from it,
      and a majority of all Sentinels knows that, and sees it behind a replica that has the change,
      so that they would promote that one first; or
  (c) it claims to be a primary, of the very history that this one took over: it is the old
      primary, not yet told, and cannot win.

What an absent server says counts only if it was asked after WAIT. Its own word goes before what
others say about it: a server that claims any other primacy refutes this one (`superseded`).
Sentinels go by what they saw up to five seconds ago: the rule holds where a primary must be missed
for longer than that before it is replaced (`down-after-milliseconds`; the doctor looks at it).
An address without Sentinels has nobody who promotes, so there only the servers in ROLE and INFO
are known.

`docs/adr/0007-redis-acknowledgement.md` has the measurements.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from workmill.store.redis.addresses import Node
from workmill.store.redis.replication_info import NO_HISTORY, Replication, Role

SYNCHRONISING: Final = "sync"
"""The one state of a link in which a replica has given up what it had, and its offset with it.
Before that (`connect`, `connecting`, `handshake`) it still shows the offset of another history,
which may be the highest of all, and it may be cut off."""


class Level(StrEnum):
    """What a change has gone through when it is acknowledged."""

    MEMORY = "memory"
    """It is in the server's memory."""
    DISK = "disk"
    """It is on the server's disk."""
    REPLICATED = "replicated"
    """It is on the disk of every live server."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """What one Sentinel says: who the primary is since which epoch, and how far it saw each
    replica (a failover promotes the one that is furthest); which of them had no link to their
    primary then (`unlinked`), which have been silent for so long that it holds them for `down`, and
    to which it has no connection now (`cut`). A server that has just been promoted is cut off too,
    for that ends all connections to it: alone, `cut` means nothing."""

    primary: Node
    epoch: int
    replicas: Mapping[Node, int] = field(default_factory=dict)
    unlinked: frozenset[Node] = frozenset()
    down: frozenset[Node] = frozenset()
    cut: frozenset[Node] = frozenset()
    down_after_ms: int = 0
    """How long a server must be silent to be down, as this Sentinel is configured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a server that does not have the change said for itself, after WAIT."""

    role: Role
    replication: Replication


@dataclass(frozen=True, slots=True, kw_only=True)
class Picture:
    """All that was said about one change. `history` is the primary's when the change was sent."""

    primary: Node
    history: str
    role: Role
    replication: Replication
    known: frozenset[Node] = frozenset()
    witnesses: Sequence[Witness] = ()
    sentinels: int = 0
    """How many there are, whether they answered or not."""
    answers: Mapping[Node, Answer] = field(default_factory=dict)
    closed: frozenset[Node] = frozenset()
    """The servers at whose address nobody listened when they were asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """`missing` are the servers that neither have the change nor are excused; `superseded` that
    another primary has taken this one's place, or this one's history has changed."""

    acknowledged: bool
    reason: str
    missing: frozenset[Node] = frozenset()
    superseded: bool = False


def judge(picture: Picture) -> Judgement:
    """Whether the change is acknowledged, and why or why not."""
    if not (picture.role.is_primary and picture.replication.is_primary):
        return _superseded(f"{picture.primary} is no longer the primary")
    if picture.replication.history != picture.history:
        return _superseded(f"the history of {picture.primary} has changed")
    having = copies(picture)
    missing = []
    for node in sorted(servers(picture) - having):
        answer = picture.answers.get(node)
        if answer is not None and _refutes(answer, picture):
            return _superseded(f"{node} says that it is the primary too, and not the one before")
        if not (_is_down(node, picture) or _is_harmless(node, answer, picture)):
            missing.append(node)
    if missing:
        names = ", ".join(map(str, missing))
        reason = f"{names} did not confirm the change, and nothing shows that this is harmless"
        return Judgement(acknowledged=False, reason=reason, missing=frozenset(missing))
    if not having:
        return Judgement(acknowledged=False, reason="no replica has the change")
    return Judgement(
        acknowledged=True, reason=f"{len(having)} replicas have it, all others are excused"
    )


def copies(picture: Picture) -> frozenset[Node]:
    """The replicas that have acknowledged an offset at or after the change."""
    acknowledged = picture.replication.acknowledged
    return frozenset(node for node, offset in acknowledged.items() if offset >= picture.role.offset)


def servers(picture: Picture) -> frozenset[Node]:
    """Every server but the primary that anybody has spoken of."""
    said = {*picture.known, *picture.role.replicas, *picture.replication.acknowledged}
    for witness in picture.witnesses:
        said |= {witness.primary, *witness.replicas}
    return frozenset(said - {picture.primary})


def _is_down(node: Node, picture: Picture) -> bool:
    """(a): an own answer, where there is one, has been heard before this."""
    votes = sum(
        witness.primary == picture.primary
        and (node in witness.down or (node in witness.cut and node in picture.closed))
        for witness in picture.witnesses
    )
    return votes * 2 > picture.sentinels


def _is_harmless(node: Node, answer: Answer | None, picture: Picture) -> bool:
    """(b) or (c)."""
    if answer is None:
        return False
    if answer.role.is_primary:
        return _is_the_one_before(answer, picture)
    syncing = answer.role.follows == picture.primary and answer.role.link == SYNCHRONISING
    return syncing and _is_behind(node, picture)


def _is_behind(node: Node, picture: Picture) -> bool:
    """Whether most Sentinels, as far as they have looked, would rather promote a copy."""
    having = copies(picture)
    votes = 0
    for said in picture.witnesses:
        better = having & said.replicas.keys() - said.down - said.cut
        furthest = max((said.replicas[copy] for copy in better), default=0)
        behind = node in said.unlinked and said.replicas.get(node, furthest) < furthest
        votes += said.primary == picture.primary and behind
    return votes * 2 > picture.sentinels


def _refutes(answer: Answer, picture: Picture) -> bool:
    return answer.role.is_primary and not _is_the_one_before(answer, picture)


def _is_the_one_before(answer: Answer, picture: Picture) -> bool:
    earlier = picture.replication.earlier
    return earlier != NO_HISTORY and answer.replication.history == earlier


def _superseded(reason: str) -> Judgement:
    return Judgement(acknowledged=False, reason=reason, superseded=True)
