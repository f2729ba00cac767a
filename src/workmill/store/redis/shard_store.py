"""A Redis store that is one part of several: verbs for whoever puts the parts together.

Parts know nothing of each other. One notes its number, and where jobs lie whose ids are at home
here (functions/shards.lua).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from workmill.domain.ids import ID_BYTES
from workmill.domain.job import Job, Query
from workmill.store.redis import record_codec
from workmill.store.redis.store import RedisStore

HERE: Final = 255
NOWHERE: Final = 254
BUCKETS: Final = 65536


class Standing(NamedTuple):
    """What a part says of itself. The first three are None before it has joined."""

    number: int | None
    since_ms: int | None
    family: str | None
    """The same in all parts of one store, and in no other."""
    has_jobs: bool
    last_age: int
    now_ms: int
    shards: int
    """How many shards its store has had, as far as it has heard."""


class AgedPage(NamedTuple):
    """A page with the age of each job; `next_age` is None on the last one."""

    jobs: list[tuple[int, Job]]
    next_age: int | None


class PartStore(RedisStore):
    """`RedisStore` with a number and a directory."""

    def standing(self) -> Standing:
        """Its number, and how far it has come."""
        noted, next_seq, last_age, now_ms, shards = self._read("part")
        has_jobs = next_seq > 0
        if not noted:
            return Standing(None, None, None, has_jobs, last_age, now_ms, int(shards))
        number, since_ms, family = noted.decode().split()
        return Standing(int(number), int(since_ms), family, has_jobs, last_age, now_ms, int(shards))

    def join(self, number: int, since_ms: int, family: str) -> None:
        """Take this number in this family, unless it has one: `standing` tells."""
        self._write("join", f"{number} {since_ms} {family}")

    def count(self, shards: int) -> None:
        """Note that its store has so many shards."""
        self._write("count", shards)

    def listed(self, query: Query) -> AgedPage:
        """As `find`, with an age for a cursor."""
        status = record_codec.CODES[query.status] if query.status else 0
        age = -1 if query.after is None else query.after
        following, names, *shown = self._read("find_aged", query.tenant, status, age, query.limit)
        names = record_codec.names_of(names)
        pairs = [
            (
                int.from_bytes(raw[: record_codec.AGE_BYTES], "big"),
                record_codec.job_of(raw, names, at),
            )
            for raw, at in zip(*shown, strict=True)
        ]
        jobs = [(age, job) for age, job in pairs if job is not None]
        return AgedPage(jobs, following if following > 0 else None)

    def claim(self, ids: Sequence[bytes], parts: Sequence[int]) -> list[int]:
        """Note where the jobs of these ids belong, unless that is known; says where (or HERE)."""
        if not ids:
            return []
        asked = [record_codec.packed(one) for one in ids]
        return list(self._write("claim", asked, record_codec.packed(bytes(parts))))

    def locate(self, ids: Sequence[bytes]) -> list[int]:
        """Where the jobs of these ids belong, as far as is known here: a part, HERE or NOWHERE."""
        return list(self._read("locate", [record_codec.packed(one) for one in ids])) if ids else []

    def old_notes(self, bucket: int, amount: int) -> list[tuple[bytes, bytes]]:
        """Notes (id, note) of a slice of the directory that have not been used for hours."""
        flat = self._read("old_notes", bucket, amount)
        return list(zip(flat[::2], flat[1::2], strict=True))

    def unclaim(self, notes: Sequence[tuple[bytes, bytes]]) -> None:
        """Remove these notes, unless they have been used since they were read."""
        if notes:
            ids, values = zip(*notes, strict=True)
            self._write(
                "unclaim",
                [record_codec.packed(one) for one in ids],
                [record_codec.packed(one) for one in values],
            )

    def ids(self, page: int) -> tuple[int, list[bytes]]:
        """The ids of a slice of all jobs, and the page to go on with (-1 at the end)."""
        following, *jobs = self._read("dump_jobs", page, 2**40)
        at = record_codec.AGE_BYTES
        return following, [raw[at : at + ID_BYTES] for raw in jobs]
