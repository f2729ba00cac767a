"""Letting go slowly: a fleet shrinks to the most that any moment of its cool-down wanted. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeVar

Past = TypeVar("Past")


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """How many nodes there should be, and why in words. `keep` is how many the load of this moment
    would have kept; it goes into the history."""

    count: int
    reason: str
    keep: int


class Kept(NamedTuple):
    """How many nodes the load of one moment would have kept."""

    at_seconds: float
    keep: int


def remembered(
    history: Sequence[Past], now: Past, oldest_seconds: float, at: Callable[[Past], float]
) -> list[Past]:
    """The history with one reading more, without what is too old to matter: but for one at its far
    end, which covers the whole time since `oldest_seconds`."""
    before = [past for past in history if at(past) < oldest_seconds][-1:]
    recent = [past for past in history if at(past) >= oldest_seconds]
    return [*before, *recent, now]


def shrunk(
    count: int, now: Kept, history: Sequence[Kept], cool_down_seconds: float
) -> tuple[int, str]:
    """How many of `count` nodes to keep, and why in words. Nothing is taken away before a whole
    cool-down was watched: `history` must reach back so far."""
    since = now.at_seconds - cool_down_seconds
    if now.keep >= count:
        return count, "they fit the load"
    if not history or history[0].at_seconds > since:
        return count, f"not watched for {cool_down_seconds:g} s yet"
    highest = max([now.keep, *(past.keep for past in history if past.at_seconds >= since)])
    if highest >= count:
        return count, f"within the last {cool_down_seconds:g} s all of them were wanted"
    why = f"for {cool_down_seconds:g} s no more than {highest} were wanted: the others drain"
    return highest, why
