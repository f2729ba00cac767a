"""Leases, results and listings of all parts in the one order that the contract asks for.

Each part shows what it would hand out; the shows are merged, and each part is then asked for as
many as are its own. Between the two another endpoint may take some of them: then a part hands out
the next ones, or fewer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from heapq import merge
from typing import TypeVar

from workmill.domain.job import COUNTERS, Job, LeaseRequest, Page, PullRequest, Stats
from workmill.domain.lifecycle import Status
from workmill.store.redis.shard_store import AgedPage
from workmill.store.redis.store import Head, Latest

T = TypeVar("T")


def grants(shown: Mapping[int, Sequence[Head]], request: LeaseRequest) -> list[int]:
    """The part of each job to grant, in order: priority, then age. A suspect goes alone."""
    heads = merge(*([(head, number) for head in heads] for number, heads in shown.items()))
    chosen: list[int] = []
    cost = 0
    for head, number in heads:
        enough = len(chosen) >= request.min_jobs and cost >= request.max_cost
        if len(chosen) == request.max_jobs or enough or (head.suspect and chosen):
            break
        chosen.append(number)
        cost += head.cost
        if head.suspect:
            break
    return chosen


def latest(shown: Mapping[int, Sequence[Latest]], request: PullRequest) -> list[int]:
    """The part of each result to hand out, the latest first."""
    results = ((one, number) for number, found in shown.items() for one in found)
    return [number for _, number in sorted(results, reverse=True)[: request.top]]


def in_order(plan: Iterable[int], given: Mapping[int, Sequence[T]]) -> Iterator[tuple[int, T]]:
    """What the parts gave, with its part, as it was planned; what did not come is left out."""
    sources = {number: iter(items) for number, items in given.items()}
    for number in plan:
        for item in sources.get(number, iter(())):
            yield number, item
            break


def page(pages: Iterable[AgedPage], limit: int) -> Page:
    """One page of all. Below the deepest point that every part has looked at, nothing is sure."""
    pages = list(pages)
    floor = max((one.next_age or 0 for one in pages), default=0)
    aged = [pair for one in pages for pair in one.jobs if pair[0] >= floor]
    aged.sort(key=_age, reverse=True)
    if len(aged) > limit:
        floor = aged[limit - 1][0]
        aged = [pair for pair in aged if pair[0] >= floor]
    return Page(jobs=[job for _, job in aged], next_after=floor or None)


def figures(*, now: Sequence[Stats], last: Sequence[Stats], unavailable: tuple[str, ...]) -> Stats:
    """The sums over all parts. What only grows counts as each part said it last, for it is no less
    while a part is away. What a part holds counts while it answers, `now`: nobody can tell what a
    part that is away holds by now, nor lease it."""
    oldest = (one.oldest_queued_at_ms for one in now if one.oldest_queued_at_ms is not None)
    sums = {
        name: sum(getattr(one, name) for one in (last if name.endswith("_total") else now))
        for name in COUNTERS
    }
    return Stats(
        jobs={str(status): sum(one.jobs[status] for one in now) for status in Status},
        oldest_queued_at_ms=min(oldest, default=None),
        unavailable=unavailable,
        warnings=tuple(dict.fromkeys(text for one in last for text in one.warnings)),
        **sums,
    )


def _age(pair: tuple[int, Job]) -> int:
    return pair[0]
