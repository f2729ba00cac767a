"""The parts put together: each gets its number once, and is refused under another.

The number of a part is its place in the list of addresses. It is noted in the part itself, with the
family, a word that is the same in all parts of one store and in no other. So a list in another
order, with one left out, with a part of another store or an empty one in the place of an old one
is refused before a job goes astray. A new store needs all of its parts once; after that it opens
with any of them away. New parts go to the end, each when all before it are there.

Two endpoints may found a store at the same time: the family that part 0 took first is that of all.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from typing import Final

from workmill.domain.clock import Clock
from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.domain.limits import RESULT_RETENTION_SECONDS
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.address_survey import Survey, is_gone, survey
from workmill.store.redis.addresses import Address
from workmill.store.redis.open_store import TAG, open_part
from workmill.store.redis.primary_link import Pace
from workmill.store.redis.shard_store import Standing
from workmill.store.retention import Bounds
from workmill.store.sharded.placement import MAX_PARTS
from workmill.store.sharded.shard import Opened, Part
from workmill.store.sharded.shard_order import check_all, check_place, is_no_shard, known_parts
from workmill.store.sharded.store import ShardedStore

CAUTIOUS_MS: Final = round((RESULT_RETENTION_SECONDS + 24 * 3600) * 1000)
"""For so long after a part has joined, every claim asks all parts first: a repeat of a submit from
before it must find its job, which is kept for a week after its end."""
PACE: Final = Pace(patience_seconds=0.2, answer_seconds=2.0)
"""The first failure of a part is waited for by the groups of all; its own thread then goes on."""
FOUNDER: Final = 0
"""When a part joined that was there from the beginning."""


def open_sharded(
    addresses: Sequence[Address],
    *,
    level: Level | None = None,
    bounds: Bounds | None = None,
    may_found: bool = True,
) -> ShardedStore:
    """The store whose parts are at these addresses, in their order. Raises StoreDamaged when none
    of them is a part and none `may_found` be."""
    _check_count(len(addresses))
    founded = _look_at_all(addresses, level)
    if not may_found and not founded:
        raise is_gone(", ".join(map(str, addresses)))

    def opener(number: int, address: Address) -> Callable[[], Opened]:
        new = number >= founded  # what was a part before is never begun anew, then or later
        open_it = partial(open_part, level=level, bounds=bounds, pace=PACE, may_found=new)
        return lambda: Opened(*open_it(address))

    return open_parts([(str(one), opener(number, one)) for number, one in enumerate(addresses)])


def _check_count(parts: int) -> None:
    if not 1 < parts <= MAX_PARTS:
        raise InvalidInput(f"A partitioned store has from 2 to {MAX_PARTS} parts.")


def _look_at_all(addresses: Sequence[Address], level: Level | None) -> int:
    """Before any is opened, which marks it: how many parts there have been. Raises InvalidInput
    when they cannot be one store, and StoreUnavailable when it would be a new one and not all are
    there."""
    seen: dict[int, Survey] = {}
    away: list[StoreUnavailable] = []
    with ThreadPoolExecutor(len(addresses)) as threads:
        asked = [
            threads.submit(survey, address, TAG, level=level, pace=PACE) for address in addresses
        ]
    for number, future in enumerate(asked):
        try:
            seen[number] = future.result()
        except StoreUnavailable as error:
            away.append(error)
    check_all(seen)
    if away and all(one.number is None for one in seen.values()):
        raise away[0]
    return known_parts(seen)


def open_parts(
    openers: Sequence[tuple[str, Callable[[], Opened]]], *, clock: Clock | None = None
) -> ShardedStore:
    """Open all that can be reached. Raises StoreUnavailable when none can, or when one cannot that
    was never there before; InvalidInput when they are not the parts of one store in their order."""
    _check_count(len(openers))
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
        self._family = ""
        self._joined: set[int] = set()
        """The parts that were seen to be of this family."""
        self._shards = 0
        """How many there have been, as far as any of them has heard."""

    def begin(self, parts: Sequence[Part], away: dict[int, StoreUnavailable]) -> list[Standing]:
        """Number those that are there, once all that have a number are seen to belong here."""
        there = {part.number: part for part in parts if part.number not in away}
        standings = {number: part.alone(_standing).result() for number, part in there.items()}
        numbered = {number: one for number, one in standings.items() if one.family is not None}
        founded = bool(numbered) or any(one.has_jobs for one in standings.values())
        if not numbered and away:
            raise next(iter(away.values()))
        if not numbered:
            act = partial(_noted, number=0, family=secrets.token_hex(8), founded=founded)
            numbered[0] = there[0].alone(act).result()
        family = next(one.family for one in numbered.values())
        for number, standing in numbered.items():
            _check(standing, number, there[number].name, family)
        self._joined.update(numbered)
        self._shards = max(one.shards for one in numbered.values())
        self._family = family or ""
        take = partial(self._take, founded=founded)
        taken = [
            part.alone(partial(take, number=number, name=part.name)).result()
            for number, part in there.items()
        ]
        for part in there.values():
            part.alone(partial(_count, shards=max(self._joined) + 1)).result()
        return taken

    def later(self, opened: Opened, number: int, name: str) -> None:
        """One that was away comes back, or comes for the first time."""
        if self._family:
            self._take(opened, number, name, founded=True)

    def _take(self, opened: Opened, number: int, name: str, *, founded: bool) -> Standing:
        """Raises InvalidInput for what is no part of this family, or not this one."""
        standing = _standing(opened)
        if standing.number is None:
            if number < max(*self._joined, self._shards):
                raise is_no_shard(name, number)
            if not self._joined.issuperset(range(number)):
                raise StoreUnavailable(f"{name} is new, and joins when all before it are there.")
            standing = _noted(opened, number, self._family, founded=founded)
        _check(standing, number, name, self._family)
        self._joined.add(number)
        return standing


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


def _noted(opened: Opened, number: int, family: str, *, founded: bool) -> Standing:
    """Let a part without a number take this one; another endpoint may have been first."""
    standing = _standing(opened)
    new = founded and not standing.has_jobs
    with opened.verbs.group():
        opened.verbs.join(number, standing.now_ms if new else FOUNDER, family)
    return _standing(opened)


def _check(standing: Standing, number: int, name: str, family: str | None) -> None:
    check_place(name, standing.number, standing.family, number=number, family=family)


def _count(opened: Opened, shards: int) -> None:
    """Every shard knows how many there are: one that comes back empty is not taken for new."""
    if _standing(opened).shards < shards:
        with opened.verbs.group():
            opened.verbs.count(shards)


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
