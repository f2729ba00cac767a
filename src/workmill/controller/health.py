"""Who is healthy, suspect or dead: a pure judgement over what beats were seen, and what to do.

Theory. Silence proves nothing: a node that is not heard may be dead, or slow, or the observer may
be the one that is cut off. So time is counted the careful way round.

- A beat is a *change* of the store's time stamp, whatever it says: clocks that jump on any machine
  make no silence and no life.
- Silence is counted on the observer's own clock, and only while it was looking: a reading that
  comes late adds no more than a usual step. An observer that slept suspects nobody for it.
- When more than half of all nodes fall silent together, the likelier fault is on this side. Nobody
  is judged dead then, until the silence has lasted so long that acting harms no more than waiting.
- Who came back from silence has to beat steadily for a while before it is trusted again, and longer
  if it does so often: nothing goes in and out of service with every beat.
- A leader that has just taken over has seen nothing, and counts from its own first reading.

Only evidence is quicker than silence: a fleet that saw a process end (`gone`) is believed at
once. To be wrong is not fatal: leases are fenced by tokens, so two workers can never end one job,
and a replaced node that comes back is only one too many.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from workmill.domain.job import Node

SUSPECT_SECONDS: Final = 3.0
"""Silence after which nothing new should be sent there; nodes beat every second."""
DEAD_SECONDS: Final = 8.0
"""Silence after which a node is replaced: well before its leases end."""
MAX_STEP_SECONDS: Final = 2.5
"""What one reading adds to a silence at most; the observer looks more often than that."""
HOLD_SECONDS: Final = 60.0
"""How long a mass silence is borne. Then the dead are dead: work must go on."""
STEADY_SECONDS: Final = 10.0
"""How long a node that was dead, or often silent, must beat before it is healthy again."""
MAX_FLAPS: Final = 3
"""A node that fell silent so often within `MEMORY_SECONDS` is not trusted at its next beat."""
MEMORY_SECONDS: Final = 300.0
"""How long the dead and the flapping are remembered."""


class Health(StrEnum):
    """What a node is taken for."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    """Send nothing new there, and wait."""
    DEAD = "dead"


class Act(StrEnum):
    """What to do about a node whose health has changed."""

    TRUST = "trust"
    """It is healthy again."""
    WAIT = "wait"
    """It may come back: nothing is started for it."""
    REPLACE = "replace"
    """End what may be left of it, and start another one."""
    FORGET = "forget"
    """It was draining, and has gone as it should."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Remedy:
    """What to do about one node, and why in words."""

    node: Node
    act: Act
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """What the observer found: the nodes as the store listed them, its own monotonic time, and the
    incarnations whose end the fleet has seen."""

    at_seconds: float
    nodes: Sequence[Node]
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watched:
    """One node as it was last heard."""

    node: Node
    health: Health = Health.HEALTHY
    silent_seconds: float = 0.0
    steady_seconds: float = 0.0
    """Since it last came back from silence."""
    flaps: int = 0
    """How often it did."""
    probation: bool = False
    """It must beat steadily before it is healthy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """What a leader remembers between two readings; a new one remembers nothing."""

    at_seconds: float | None = None
    nodes: Mapping[str, Watched] = field(default_factory=dict)
    held_seconds: float = 0.0
    """How long a mass silence has lasted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """The verdicts, what has changed by them, and what to remember for the next reading."""

    verdicts: Mapping[str, Health]
    remedies: Sequence[Remedy]
    watch: Watch
    doubt: str | None = None
    """Why nobody is judged dead for silence now."""


def judge(watch: Watch, reading: Reading) -> Judgement:
    """Judge every node by what was seen of it until now."""
    step = _step(watch.at_seconds, reading.at_seconds)
    listed = {node.incarnation: node for node in reading.nodes}
    names = [*watch.nodes, *(name for name in listed if name not in watch.nodes)]
    heard = {name: _heard(watch.nodes.get(name), listed.get(name), step) for name in names}
    doubt = _doubt(watch, heard, reading.gone)
    held_seconds = watch.held_seconds + step if doubt else 0.0
    hold = doubt is not None and held_seconds <= HOLD_SECONDS
    judged = {
        name: _judged(one, _health(one, gone=name in reading.gone, hold=hold))
        for name, one in heard.items()
    }
    kept = {name: one for name, one in judged.items() if one.silent_seconds < MEMORY_SECONDS}
    return Judgement(
        verdicts={name: one.health for name, one in kept.items()},
        remedies=[
            _remedy(one)
            for name, one in judged.items()
            if one.health is not _before(watch.nodes.get(name))
        ],
        watch=Watch(at_seconds=reading.at_seconds, nodes=kept, held_seconds=held_seconds),
        doubt=doubt if hold else None,
    )


def _step(before: float | None, now: float) -> float:
    """The time that was watched since the last reading."""
    return 0.0 if before is None else min(max(now - before, 0.0), MAX_STEP_SECONDS)


def _before(known: Watched | None) -> Health:
    return Health.HEALTHY if known is None else known.health


def _heard(known: Watched | None, node: Node | None, step: float) -> Watched:
    """A node with this reading's beat, or with more silence."""
    if known is None:
        assert node is not None  # noqa: S101 - names come from one of the two
        return Watched(node=node)
    if node is None or node.seen_at_ms == known.node.seen_at_ms:
        return replace(known, silent_seconds=known.silent_seconds + step)
    if known.health is not Health.DEAD and known.silent_seconds < SUSPECT_SECONDS:
        steady = known.steady_seconds + step
        flaps = 0 if steady >= MEMORY_SECONDS else known.flaps
        return replace(known, node=node, silent_seconds=0.0, steady_seconds=steady, flaps=flaps)
    flaps = known.flaps + 1
    return Watched(
        node=node,
        health=Health.SUSPECT,
        flaps=flaps,
        probation=known.probation or known.health is Health.DEAD or flaps >= MAX_FLAPS,
    )


def _doubt(watch: Watch, heard: Mapping[str, Watched], gone: frozenset[str]) -> str | None:
    """Why the observer may be the one that is cut off, if so. Endpoints do not count: they beat
    straight to the store, and say nothing about the way that the others' beats take."""
    living = [
        heard[name]
        for name, one in watch.nodes.items()
        if one.health is not Health.DEAD
        and not one.node.draining
        and name not in gone
        and not one.node.serves
    ]
    silent = sum(one.silent_seconds >= SUSPECT_SECONDS for one in living)
    if silent < 2 or silent * 2 <= len(living):
        return None
    return f"{silent} of {len(living)} nodes fell silent together: the fault may be on this side"


def _health(one: Watched, *, gone: bool, hold: bool) -> Health:
    if gone or one.health is Health.DEAD:
        return Health.DEAD  # a beat would have made it suspect
    if one.silent_seconds >= DEAD_SECONDS and not hold:
        return Health.DEAD
    if one.silent_seconds >= SUSPECT_SECONDS:
        return Health.SUSPECT
    if one.probation and one.steady_seconds < STEADY_SECONDS:
        return Health.SUSPECT
    return Health.HEALTHY


def _judged(one: Watched, health: Health) -> Watched:
    return replace(one, health=health, probation=one.probation and health is not Health.HEALTHY)


def _remedy(one: Watched) -> Remedy:
    node, silent = one.node, one.silent_seconds
    name = f"{node.role} {node.host}:{node.pid}"
    if one.health is Health.HEALTHY:
        return Remedy(node=node, act=Act.TRUST, why=f"{name} beats again")
    if one.health is Health.SUSPECT:
        why = f"silent for {silent:.1f} s" if silent else f"back, after {one.flaps} silences"
        return Remedy(node=node, act=Act.WAIT, why=f"{name} is {why}")
    if node.draining:
        return Remedy(node=node, act=Act.FORGET, why=f"{name} has drained")
    why = f"has been silent for {silent:.1f} s" if silent >= DEAD_SECONDS else "has ended"
    return Remedy(node=node, act=Act.REPLACE, why=f"{name} {why}")
