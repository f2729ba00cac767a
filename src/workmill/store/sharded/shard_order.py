"""Whether what is at some addresses are the shards of one store, in their order. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from workmill.domain.errors import InvalidInput
from workmill.store.redis.address_survey import Survey


def check_all(surveys: Mapping[int, Survey]) -> None:
    """By the number under which each was given; those that are away are not among them. Raises
    InvalidInput for what cannot be one store."""
    _check_distinct(surveys)
    numbered = {number: one for number, one in surveys.items() if one.number is not None}
    if not numbered:
        return
    family = next(iter(numbered.values())).family
    for number, one in numbered.items():
        check_place(one.name, one.number, one.family, number=number, family=family)
    for number, one in surveys.items():
        if one.number is None and number < known_parts(surveys):
            raise is_no_shard(one.name, number)


def known_parts(surveys: Mapping[int, Survey]) -> int:
    """How many parts the store has had, as far as these have heard; 0 when none of them is one."""
    numbered = [one for one in surveys.values() if one.number is not None]
    return max((max(one.number or 0, one.shards - 1) + 1 for one in numbered), default=0)


def is_no_shard(name: str, number: int) -> InvalidInput:
    """Where a shard was, there is none now."""
    return InvalidInput(
        f"{name} was given as part {number}, and is no part of a store. Nothing was changed. It "
        "has lost its data, or is not where it was; new parts go to the end."
    )


def check_place(
    name: str, found: int | None, of: str | None, *, number: int, family: str | None
) -> None:
    """Raises InvalidInput unless this is that shard of this family."""
    if found != number:
        raise InvalidInput(
            f"{name} is part {found} of its store, and was given as part {number}. "
            "Nothing was changed. Give all parts in the order in which they were first given, "
            "and new ones at the end."
        )
    if of != family:
        raise InvalidInput(
            f"{name} is part {number} of another store than the parts before it. Nothing was "
            "changed. Give the addresses of one store."
        )


def _check_distinct(surveys: Mapping[int, Survey]) -> None:
    seen: dict[str, Survey] = {}
    for one in surveys.values():
        if one.run and seen.setdefault(one.run, one) is not one:
            raise InvalidInput(
                f"{seen[one.run].name} and {one.name} are the same server. Nothing was changed. "
                "Give each shard a server of its own."
            )
