"""The facade: each verb goes to the parts that it concerns, and comes back as one answer.

An item of a batch goes to one part, in the order of the batch there. What a part that is away would
have answered stands in for it as the least that could be said, and `Group` tells which those are.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import partial
from operator import attrgetter
from pathlib import Path
from typing import Any, Final, TypeVar

import msgspec

from workmill.domain import ids
from workmill.domain import job as values
from workmill.domain.clock import Clock, steady_clock
from workmill.domain.errors import StoreUnavailable
from workmill.domain.job import Verdict
from workmill.domain.lifecycle import Status
from workmill.domain.limits import MAX_NODES
from workmill.domain.queue_profile import QueueProfile, joined
from workmill.store.redis.store import Head, Latest
from workmill.store.sharded import backup, receipts
from workmill.store.sharded import merge as merging
from workmill.store.sharded.hybrid_clock import Ages
from workmill.store.sharded.job_locations import Directory
from workmill.store.sharded.placement import place
from workmill.store.sharded.restore_barrier import left_behind
from workmill.store.sharded.shard import Opened, Part
from workmill.store.sharded.shard_group import Group

T = TypeVar("T")
SPARE: Final = 8
"""How many items a part shows beyond twice its share."""
_NOBODY: Final = values.Leadership(token=0, holder="", left_seconds=0.0)
"""In the place of an answer that is lost."""


class ShardedStore:
    """`workmill.store.port.Store` over several parts. Make it with `opening.open_parts`."""

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        clock: Clock | None = None,
        last_age: int = 0,
        cautious: bool = False,
    ) -> None:
        """`last_age` is the highest that any part has; `cautious` says that the parts have changed
        lately."""
        self._parts = parts
        self._pid = os.getpid()
        self._group = Group(parts)
        self._ages = Ages(clock or steady_clock())
        self._ages.seen(last_age)
        self._directory = Directory(self._group, len(parts), cautious=cautious)

    def close(self) -> None:
        """See `Store.close`."""
        for part in self._parts:
            part.close()

    def group(self) -> AbstractContextManager[None]:
        """See `Store.group`."""
        if os.getpid() != self._pid:
            raise StoreUnavailable("A store cannot be carried over a fork: open it in the child.")
        return self._group.run()

    def new_id(self, key: bytes) -> bytes:
        """See `Store.new_id`: the id says which part takes the job."""
        return ids.mark(ids.new_id(), place(key, len(self._parts)))

    def submit(self, jobs: Sequence[values.NewJob]) -> list[values.Submitted]:
        """See `Store.submit`."""
        owners = self._directory.settle(jobs)
        places: defaultdict[int, list[int]] = defaultdict(list)
        for place_, numbers in enumerate(owners):
            if self._group.has(numbers):
                places[numbers[0]].append(place_)
        ages = self._ages.take(len(jobs))
        acts = {
            number: partial(
                Opened.submit, jobs=[jobs[p] for p in wanted], ages=[ages[p] for p in wanted]
            )
            for number, wanted in places.items()
        }
        answers = [
            values.Submitted(id=job.id, status=Status.QUEUED, done=job.done, created=False)
            for job in jobs
        ]
        for number, told in self._group.together(acts).items():
            _put(answers, places[number], told)
            self._directory.remember((one.id for one in told), number)
        return self._group.answered(answers, owners)

    def get(self, ids: Sequence[bytes]) -> list[values.Job | None]:
        """See `Store.get`."""
        unknown: values.Job | None = None
        return self._by_id("get", ids, list(ids), unknown, None)

    def renew(self, renewals: Sequence[values.Renewal]) -> list[Verdict]:
        """See `Store.renew`."""
        return self._say("renew", renewals)

    def complete(self, completions: Sequence[values.Completion]) -> list[Verdict]:
        """See `Store.complete`."""
        return self._say("complete", completions)

    def fail(self, failures: Sequence[values.Failure]) -> list[Verdict]:
        """See `Store.fail`."""
        return self._say("fail", failures)

    def release(self, releases: Sequence[values.Release]) -> list[Verdict]:
        """See `Store.release`."""
        return self._say("release", releases)

    def cancel(self, ids: Sequence[bytes]) -> list[Verdict]:
        """See `Store.cancel`."""
        return self._by_id("cancel", ids, list(ids), Verdict.UNKNOWN, Verdict.UNAVAILABLE)

    def _say(self, verb: str, words: Sequence[Any]) -> list[Verdict]:
        about = [word.id for word in words]
        return self._by_id(verb, words, about, Verdict.UNKNOWN, Verdict.UNAVAILABLE)

    def _by_id(
        self, verb: str, items: Sequence[Any], about: list[bytes], unknown: T, lost: T
    ) -> list[T]:
        """Say it where each job is. Those of which nothing is known are looked for first, for a
        part must meet its items in their order; where a guess was wrong, it is said again."""
        answers: list[T] = [unknown] * len(items)
        owners: list[tuple[int, ...]] = [()] * len(items)
        guesses = {one: self._directory.guess(one) for one in about}
        guessed = {one: number for one, number in guesses.items() if number is not None}
        where = guessed | self._directory.find([one for one in guesses if one not in guessed])
        self._ask(verb, items, about, where, answers, owners)
        wrong = {
            one
            for place_, one in enumerate(about)
            if one in guessed and answers[place_] == unknown and self._group.has(owners[place_])
        }
        found = self._directory.find([one for one in guessed if one in wrong])
        again = {one: at for one, at in found.items() if guessed[one] != at}
        self._ask(verb, items, about, again, answers, owners)
        if missing := self._group.missing:
            nowhere = (guesses.keys() - where.keys()) | (wrong - found.keys())
            for place_, one in enumerate(about):
                owners[place_] = missing if one in nowhere else owners[place_]
        for place_, numbers in enumerate(owners):
            if not self._group.has(numbers):
                answers[place_] = lost
        return self._group.answered(answers, owners)

    def _ask(
        self,
        verb: str,
        items: Sequence[Any],
        about: Sequence[bytes],
        where: Mapping[bytes, int],
        answers: list[T],
        owners: list[tuple[int, ...]],
    ) -> None:
        places: defaultdict[int, list[int]] = defaultdict(list)
        for place_, one in enumerate(about):
            if one in where:
                places[where[one]].append(place_)
                owners[place_] = (where[one],)
        acts = {
            number: partial(_say, verb=verb, items=[items[p] for p in wanted])
            for number, wanted in places.items()
        }
        for number, told in self._group.together(acts).items():
            _put(answers, places[number], told)

    def lease(self, request: values.LeaseRequest) -> list[values.Lease]:
        """See `Store.lease`."""
        plan = self._planned(
            partial(_heads, request), request.max_jobs, lambda shown: merging.grants(shown, request)
        )
        acts = {number: partial(_lease, request, count) for number, count in Counter(plan).items()}
        given = self._group.together(acts)
        for number, leases in given.items():
            self._directory.remember((one.id for one in leases), number)
        pairs = list(merging.in_order(plan, given))
        return self._group.answered([one for _, one in pairs], [(number,) for number, _ in pairs])

    def pull(self, request: values.PullRequest) -> values.Pulled:
        """See `Store.pull`."""
        plan = self._planned(
            partial(_latest, request), request.top, lambda shown: merging.latest(shown, request)
        )
        acts = {number: partial(_pull, request, count) for number, count in Counter(plan).items()}
        given = self._group.together(acts)
        pairs = list(merging.in_order(plan, {n: pulled.results for n, pulled in given.items()}))
        results = self._group.answered([one for _, one in pairs], [(n,) for n, _ in pairs])
        receipt = receipts.joined((n, one.receipt) for n, one in given.items() if one.receipt)
        return values.Pulled(results=results, receipt=receipt or None)

    def _planned(
        self,
        show: Callable[..., list[T]],
        most: int,
        merge: Callable[[Mapping[int, Sequence[T]]], list[int]],
    ) -> list[int]:
        """Which part each item is from. The parts show about twice their share, and those of which
        all that they showed is taken are asked again: else each would have to show everything."""
        share = min(most, 2 * -(-most // len(self._parts)) + SPARE)
        shown = self._group.somewhere(partial(show, share))
        plan = merge(shown)
        taken = Counter(plan)
        short = [n for n, items in shown.items() if len(items) == taken[n] == share < most]
        if short:
            shown |= self._group.together(dict.fromkeys(short, partial(show, most)))
            plan = merge(shown)
        return plan

    def acknowledge(self, acknowledgements: Sequence[values.Acknowledgement]) -> list[int]:
        """See `Store.acknowledge`."""
        places: defaultdict[int, list[int]] = defaultdict(list)
        items: defaultdict[int, list[values.Acknowledgement]] = defaultdict(list)
        owners: list[tuple[int, ...]] = []
        for place_, one in enumerate(acknowledgements):
            parted = receipts.parted(one.receipt)
            numbers = tuple(number for number in parted if number < len(self._parts))
            owners.append(numbers)
            for number in numbers:
                places[number].append(place_)
                items[number].append(msgspec.structs.replace(one, receipt=parted[number]))
        acts = {n: partial(_say, verb="acknowledge", items=given) for n, given in items.items()}
        counts = [0] * len(acknowledgements)
        for number, told in self._group.together(acts).items():
            for place_, count in zip(places[number], told, strict=True):
                counts[place_] += count
        return self._group.answered(counts, owners)

    def find(self, query: values.Query) -> values.Page:
        """See `Store.find`. The cursor is an age; parts that are away are left out."""
        pages = self._group.somewhere(lambda opened: opened.verbs.listed(query))
        return merging.page(pages.values(), query.limit)

    def stats(self) -> values.Stats:
        """See `Store.stats`: sums, made by `merging.figures`."""
        told = self._group.somewhere(lambda opened: opened.verbs.stats())
        for number, figures in told.items():
            self._parts[number].stats = figures
        sums = merging.figures(
            now=list(told.values()),
            last=[part.stats for part in self._parts if part.stats is not None],
            unavailable=tuple(self._parts[number].name for number in self._group.missing),
        )
        there = [self._parts[number] for number in told]
        left = left_behind({part.name: part.opened.verbs.changed_over for part in there})
        return msgspec.structs.replace(sums, warnings=(*sums.warnings, *left))

    def queue_profile(self) -> QueueProfile:
        """See `Store.queue_profile`: of the parts that answer, for no other can lease."""
        return joined(self._group.somewhere(lambda opened: opened.verbs.queue_profile()).values())

    def beat(self, nodes: Sequence[values.Node]) -> None:
        """See `Store.beat`: in every part, so that any of them can tell who is alive."""
        self._group.somewhere(lambda opened: opened.verbs.beat(nodes))

    def nodes(self) -> list[values.Node]:
        """See `Store.nodes`: what the parts know together."""
        latest: dict[str, values.Node] = {}
        for known in self._group.somewhere(lambda opened: opened.verbs.nodes()).values():
            for node in known:
                held = latest.get(node.incarnation)
                if held is None or held.seen_at_ms < node.seen_at_ms:
                    latest[node.incarnation] = node
        return sorted(latest.values(), key=attrgetter("seen_at_ms"))[-MAX_NODES:]

    def lead(self, candidacies: Sequence[values.Candidacy]) -> list[values.Leadership]:
        """See `Store.lead`: in the first part alone, for two parts could name two leaders. While it
        is away nobody leads, and nothing is ordered."""
        answers = [_NOBODY] * len(candidacies)
        for told in self._group.together(
            {0: lambda opened: opened.verbs.lead(candidacies)}
        ).values():
            answers[:] = told
        return self._group.answered(answers, [(0,)] * len(candidacies))

    def purge(self, max_jobs: int) -> int:
        """See `Store.purge`: part by part, until that many are gone; and notes without a job."""
        gone = 0
        for part in self._parts:
            if gone < max_jobs:
                act = partial(_purge, max_jobs=max_jobs - gone)
                gone += sum(self._group.together({part.number: act}).values())
        self._directory.sweep()
        return gone

    def probe(self) -> None:
        """See `Store.probe`: in every shard that is there."""
        self._group.somewhere(lambda opened: opened.verbs.probe())

    def backup(self, file: Path) -> None:
        """See `Store.backup`: one file with all parts, each as it stands when its turn comes."""
        backup.backup(self._parts, file)

    def restore(self, file: Path) -> None:
        """See `Store.restore`: each part replaces everything or nothing."""
        backup.restore(self._parts, file)
        self._directory.forget()
        try:
            self._note_all()
        except StoreUnavailable as error:
            raise StoreUnavailable(
                "The backup was restored, and where its jobs lie could not be noted everywhere: "
                f"{error.detail} Restore the same file again when all parts are there."
            ) from error

    def _note_all(self) -> None:
        """Write the directory anew, from the jobs."""
        for part in self._parts:
            page = 0
            while page >= 0:
                with self.group():
                    slices = self._group.together({part.number: partial(_ids, page=page)})
                    page, found = slices.get(part.number, (-1, []))
                    self._directory.note_all(found, part.number)


def _put(answers: list[T], places: Iterable[int], told: Iterable[T]) -> None:
    for place_, one in zip(places, told, strict=True):
        answers[place_] = one


def _say(opened: Opened, verb: str, items: Sequence[Any]) -> list[Any]:
    say: Callable[[Sequence[Any]], list[Any]] = getattr(opened.verbs, verb)
    return say(items)


def _heads(request: values.LeaseRequest, share: int, opened: Opened) -> list[Head]:
    least, most = min(request.min_jobs, share), min(request.max_jobs, share)
    return opened.verbs.heads(msgspec.structs.replace(request, min_jobs=least, max_jobs=most))


def _latest(request: values.PullRequest, share: int, opened: Opened) -> list[Latest]:
    return opened.verbs.latest(msgspec.structs.replace(request, top=share))


def _lease(request: values.LeaseRequest, count: int, opened: Opened) -> list[values.Lease]:
    return opened.verbs.lease(
        values.LeaseRequest(
            worker=request.worker,
            workloads=request.workloads,
            min_jobs=count,
            max_jobs=count,
            max_cost=0,
            lease_seconds=request.lease_seconds,
        )
    )


def _pull(request: values.PullRequest, count: int, opened: Opened) -> values.Pulled:
    return opened.verbs.pull(
        values.PullRequest(
            top=count, tenant=request.tenant, receipt_seconds=request.receipt_seconds
        )
    )


def _purge(opened: Opened, max_jobs: int) -> int:
    return opened.verbs.purge(max_jobs)


def _ids(opened: Opened, page: int) -> tuple[int, list[bytes]]:
    return opened.verbs.ids(page)
