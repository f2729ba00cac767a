"""The parts put together: each gets its number once, and is refused under another.

The number of a part is its place in the list of addresses. It is noted in the part itself, so a
list in another order, or with one left out, is refused before a job goes astray. A new store needs
all of its parts once; after that it opens with any of them away. New parts go to the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import wait
from functools import partial
from typing import Final

from workmill.domain.clock import Clock
from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.domain.limits import RESULT_RETENTION_SECONDS
from workmill.store.bounds import Bounds
from workmill.store.redis.addresses import Address
from workmill.store.redis.judgement import Level
from workmill.store.redis.opening import open_part
from workmill.store.redis.part import Standing
from workmill.store.sharded.part import Opened, Part
from workmill.store.sharded.placement import MAX_PARTS
from workmill.store.sharded.store import ShardedStore

CAUTIOUS_MS: Final = round((RESULT_RETENTION_SECONDS + 24 * 3600) * 1000)
"""For so long after a part has joined, every claim asks all parts first: a repeat of a submit from
before it must find its job, which is kept for a week after its end."""
FOUNDER: Final = 0
"""When a part joined that was there from the beginning."""


def open_sharded(
    addresses: Sequence[Address], *, level: Level | None = None, bounds: Bounds | None = None
) -> ShardedStore:
    """The store whose parts are at these addresses, in their order."""

    def opener(address: Address) -> Callable[[], Opened]:
        return lambda: Opened(*open_part(address, level=level, bounds=bounds))

    return open_parts([(str(address), opener(address)) for address in addresses])


def open_parts(
    openers: Sequence[tuple[str, Callable[[], Opened]]], *, clock: Clock | None = None
) -> ShardedStore:
    """Open all that can be reached. Raises StoreUnavailable when none can, or when one cannot that
    was never there before; InvalidInput when they are not the parts of one store in their order."""
    if not 1 < len(openers) <= MAX_PARTS:
        raise InvalidInput(f"A partitioned store has from 2 to {MAX_PARTS} parts.")
    joining = _Joining()
    parts = [
        Part(number, name, _joined(joining, number, name, opener))
        for number, (name, opener) in enumerate(openers)
    ]
    try:
        away = _open_all(parts)
        standings = joining.begin(parts, away)
    except BaseException:
        for part in parts:
            part.close()
        raise
    for number, error in away.items():
        parts[number].failed(error)
    return ShardedStore(
        parts,
        clock=clock,
        last_age=max(one.last_age for one in standings),
        cautious=any(one.now_ms - (one.since_ms or 0) < CAUTIOUS_MS for one in standings),
    )


class _Joining:
    """How a part that is opened gets its number."""

    def __init__(self) -> None:
        self._begun = False

    def begin(self, parts: Sequence[Part], away: dict[int, StoreUnavailable]) -> list[Standing]:
        """Number those that are there."""
        there = [part for part in parts if part.number not in away]
        standings = [part.alone(_standing).result() for part in there]
        founded = any(one.number is not None or one.has_jobs for one in standings)
        if not founded and away:
            raise next(iter(away.values()))
        self._begun = True
        return [
            part.alone(partial(join, number=part.number, name=part.name, founded=founded)).result()
            for part in there
        ]

    def later(self, opened: Opened, number: int, name: str) -> None:
        """One that was away comes back, or comes for the first time."""
        if self._begun:
            join(opened, number, name, founded=True)


def _joined(
    joining: _Joining, number: int, name: str, opener: Callable[[], Opened]
) -> Callable[[], Opened]:
    def opened() -> Opened:
        made = opener()
        try:
            joining.later(made, number, name)
        except BaseException:
            made.outer.close()
            raise
        return made

    return opened


def join(opened: Opened, number: int, name: str, *, founded: bool) -> Standing:
    """Give a part its number. Raises InvalidInput when it has another one."""
    standing = _standing(opened)
    if standing.number is None:
        new = founded and not standing.has_jobs
        with opened.verbs.group():
            opened.verbs.join(number, standing.now_ms if new else FOUNDER)
        standing = _standing(opened)
    if standing.number != number:
        raise InvalidInput(
            f"{name} is part {standing.number} of its store, and was given as part {number}. "
            "Nothing was changed. Give all parts in the order in which they were first given, "
            "and new ones at the end."
        )
    return standing


def _standing(opened: Opened) -> Standing:
    with opened.verbs.group():
        return opened.verbs.standing()


def _open_all(parts: Sequence[Part]) -> dict[int, StoreUnavailable]:
    """Open them side by side; those that are away."""
    opening = {part.number: part.open() for part in parts}
    wait(opening.values())
    away: dict[int, StoreUnavailable] = {}
    for number, future in opening.items():
        error = future.exception()
        if isinstance(error, StoreUnavailable):
            away[number] = error
        elif error is not None:
            raise error
    if len(away) == len(parts):
        raise away[0]
    return away
