"""Where the job of an id is.

Theory. The truth is where the job lies; everything here is a way to find it with fewer questions.
An id that the store made says its part. Any other id has a home, by its hash, where a note says
which part took the job. The note is written before the job is submitted, and the first note stands:
so an id that comes again with other work meets the job that has it, wherever the new work would
have gone. A note without a job (a crash between the two) sends the repeat to the same part, and is
removed when it has not been used for hours.

Where a note is missing, all parts are asked: for jobs from before their store became a part, or
from before the number of parts changed. For some days after such a change every new claim asks
them first, so that a repeat from before it finds its job.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Final

from workmill.domain.ids import marked
from workmill.domain.job import NewJob
from workmill.store.redis.shard_store import BUCKETS, HERE, NOWHERE
from workmill.store.sharded.placement import home, place
from workmill.store.sharded.shard import Opened
from workmill.store.sharded.shard_group import Group

MAX_REMEMBERED: Final = 100_000
SWEPT_BUCKETS: Final = 128
"""How many of the directory's buckets one purge looks at: all of them in three quarters of an
hour."""


class Directory:
    """What this process knows of ids, and the notes at their homes."""

    def __init__(self, group: Group, parts: int, *, cautious: bool) -> None:
        self._group = group
        self._parts = parts
        self._cautious = cautious
        self._remembered: dict[bytes, int] = {}
        self._bucket = random.randrange(0, BUCKETS, SWEPT_BUCKETS)  # noqa: S311 - not a secret

    def home_of(self, job_id: bytes) -> int:
        """The part that knows about this id."""
        number = marked(job_id)
        return home(job_id, self._parts) if number is None or number >= self._parts else number

    def remember(self, ids: Iterable[bytes], number: int) -> None:
        """The jobs of these ids are in this part."""
        self._remembered.update(dict.fromkeys(ids, number))
        while len(self._remembered) > MAX_REMEMBERED:
            del self._remembered[next(iter(self._remembered))]

    def forget(self) -> None:
        """Everything may be elsewhere now."""
        self._remembered.clear()
        self._cautious = True

    def guess(self, job_id: bytes) -> int | None:
        """Where a job probably is, without asking anybody."""
        number = self._remembered.get(job_id)
        return marked_within(job_id, self._parts) if number is None else number

    def settle(self, jobs: Sequence[NewJob]) -> list[tuple[int, ...]]:
        """Where each of these jobs is to go: the part that takes it, and its id's home when that
        has to answer, too. The first of those with the same id decides for all."""
        targets = {job.id: place(job.key, self._parts) for job in reversed(jobs)}
        strange = list(dict.fromkeys(job.id for job in jobs if not job.fresh))
        found = self._seek(strange, range(self._parts)) if self._cautious else {}
        targets.update(found)
        open_ids = (one for one in strange if one not in found and self._group.has([targets[one]]))
        homes = {one: self.home_of(one) for one in open_ids}
        targets.update(self._claim(homes, targets))
        return [
            tuple(dict.fromkeys((targets[job.id], homes.get(job.id, targets[job.id]))))
            for job in jobs
        ]

    def _claim(self, homes: Mapping[bytes, int], targets: Mapping[bytes, int]) -> dict[bytes, int]:
        by_home = _grouped(homes)
        acts = {
            number: partial(_claim, ids=ids, parts=[targets[one] for one in ids])
            for number, ids in by_home.items()
        }
        answers = self._group.together(acts)
        return {
            one: number if told == HERE else told
            for number, tells in answers.items()
            for one, told in zip(by_home[number], tells, strict=True)
        }

    def find(self, ids: Sequence[bytes]) -> dict[bytes, int]:
        """Where the jobs of these ids are; those that are nowhere are left out."""
        by_home = _grouped({one: self.home_of(one) for one in ids})
        found = self._ask(by_home)
        missing = [one for one in ids if one not in found]
        return found | self._seek(missing, range(self._parts))

    def _seek(self, ids: Sequence[bytes], numbers: Iterable[int]) -> dict[bytes, int]:
        return self._ask({number: list(ids) for number in numbers}) if ids else {}

    def _ask(self, asked: Mapping[int, list[bytes]]) -> dict[bytes, int]:
        """What these parts know: a job that is there counts for more than a note about it."""
        acts = {number: partial(_locate, ids=ids) for number, ids in asked.items()}
        noted: dict[bytes, int] = {}
        there: dict[bytes, int] = {}
        for number, tells in self._group.together(acts).items():
            for one, told in zip(asked[number], tells, strict=True):
                if told == HERE:
                    there[one] = number
                elif told != NOWHERE and told < self._parts:
                    noted[one] = told
        return noted | there

    def note_all(self, ids: Sequence[bytes], number: int) -> None:
        """Write the notes for jobs that are in this part, after a restore."""
        away = {one: where for one in ids if (where := self.home_of(one)) != number}
        self._claim(away, dict.fromkeys(ids, number))

    def sweep(self) -> None:
        """Remove notes of a slice of the directory whose jobs are gone."""
        bucket, self._bucket = self._bucket, (self._bucket + SWEPT_BUCKETS) % BUCKETS
        old = self._group.everywhere(partial(_old_notes, bucket=bucket))
        asked: defaultdict[int, list[bytes]] = defaultdict(list)
        for notes in old.values():
            for one, note in notes:
                if note[0] < self._parts:
                    asked[note[0]].append(one)
        acts = {number: partial(_locate, ids=ids) for number, ids in asked.items()}
        gone = {
            one
            for number, tells in self._group.together(acts).items()
            for one, told in zip(asked[number], tells, strict=True)
            if told != HERE
        }
        useless = {
            number: [(one, note) for one, note in notes if one in gone]
            for number, notes in old.items()
        }
        self._group.together(
            {number: partial(_unclaim, notes=notes) for number, notes in useless.items() if notes}
        )


def marked_within(job_id: bytes, parts: int) -> int | None:
    """The part that an id says, when there is such a one."""
    number = marked(job_id)
    return number if number is not None and number < parts else None


def _grouped(places: Mapping[bytes, int]) -> dict[int, list[bytes]]:
    by_number: defaultdict[int, list[bytes]] = defaultdict(list)
    for one, number in places.items():
        by_number[number].append(one)
    return dict(by_number)


def _claim(opened: Opened, ids: list[bytes], parts: list[int]) -> list[int]:
    return opened.verbs.claim(ids, parts)


def _locate(opened: Opened, ids: list[bytes]) -> list[int]:
    return opened.verbs.locate(ids)


def _old_notes(opened: Opened, bucket: int) -> list[tuple[bytes, bytes]]:
    return opened.verbs.old_notes(bucket, SWEPT_BUCKETS)


def _unclaim(opened: Opened, notes: list[tuple[bytes, bytes]]) -> None:
    opened.verbs.unclaim(notes)
