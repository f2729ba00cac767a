"""The store as the house sees it: each verb is one call of one function.

A function runs whole and alone, so a verb is atomic without locks; `session` says what makes a
group of them.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from workmill.domain.clock import Clock
from workmill.domain.errors import InvalidInput
from workmill.domain.ids import ID_BYTES, new_id
from workmill.domain.job import (
    COUNTERS,
    Acknowledgement,
    Candidacy,
    Completion,
    Failure,
    Job,
    Leadership,
    Lease,
    LeaseRequest,
    NewJob,
    Node,
    Page,
    Pulled,
    PullRequest,
    Query,
    Release,
    Renewal,
    Result,
    Stats,
    Submitted,
    Verdict,
)
from workmill.domain.limits import MAX_REASON_CHARACTERS
from workmill.domain.queue_profile import QueueProfile
from workmill.store.redis import backup, record_codec
from workmill.store.redis.backup import Ready, at_once
from workmill.store.redis.backup_shard import ALONE, ShardPlace
from workmill.store.redis.link_port import Link
from workmill.store.redis.queue_profile import ASKED, profile_of
from workmill.store.redis.session import Session, called
from workmill.store.redis.unplaced import Unplaced
from workmill.store.retention import Bounds
from workmill.telemetry import emit

MAX_DELIVERED_BYTES: Final = 1024 * 1024 * 1024
"""Delivered jobs beyond this leave before their hour is over, the eldest first: they are in memory
here. Results that nobody has fetched never do."""
_HEAD: Final = struct.Struct(">hBHIHIB")
_LATEST: Final = struct.Struct(">HIBHI")
_SEEN_BYTES: Final = 6


class Head(NamedTuple):
    """A queued job that `lease` would grant: the more urgent sorts first."""

    rank: int
    age: int
    cost: int
    suspect: bool


class Latest(NamedTuple):
    """A result that `pull` would hand out: the later sorts last."""

    ended_at_ms: int
    age: int


class ChangedOver(NamedTuple):
    """Which restore of several parts this part holds, and to which one it was about to change over
    and did not, both b"" for none."""

    made: bytes
    due: bytes


class RedisStore(Session):
    """`workmill.store.port.Store` over one logical Redis, which other endpoints share."""

    def __init__(
        self,
        connect: Callable[[], Link],
        *,
        clock: Clock | None = None,
        bounds: Bounds | None = None,
        max_delivered_bytes: int = MAX_DELIVERED_BYTES,
        heals_ms: int = 0,
        may_found: bool = True,
    ) -> None:
        """See `Session`. A backup connects anew."""
        self._bounds = bounds or Bounds()
        self._max_delivered_bytes = max_delivered_bytes
        self._leapt_ms = 0
        self._group = self._leased = self._heard = 0
        """Groups by their numbers: this one, the last that leased, the last of those that was
        confirmed."""
        self.unplaced = Unplaced()
        self.changed_over = ChangedOver(b"", b"")
        """As the last `stats` found it."""
        super().__init__(connect, clock=clock, heals_ms=heals_ms, may_found=may_found)

    @contextmanager
    def group(self) -> Iterator[None]:
        """See `Store.group`."""
        with super().group():
            self._group += 1
            yield
        if self._leased == self._group:
            self._heard = self._group

    def new_id(self, key: bytes) -> bytes:  # noqa: ARG002 - a store of one part has one place
        """See `Store.new_id`."""
        return new_id()

    def submit(self, jobs: Sequence[NewJob], ages: Sequence[int] = ()) -> list[Submitted]:
        """See `Store.submit`. `ages` are for a store that is made of several: rising hybrid
        times, so that jobs of different parts can be put in one order."""
        kinds: dict[tuple[str, str], int] = {}
        blobs = []
        for job, age in zip(jobs, ages or (0,) * len(jobs), strict=True):
            kind = kinds.setdefault((job.workload, job.tenant), len(kinds) + 1)
            blobs.append(record_codec.pack_new(job, kind, age))
        if not blobs:
            return []
        answers = self._write("submit", list(kinds), blobs)
        return [record_codec.submitted(job, told) for job, told in zip(jobs, answers, strict=True)]

    def get(self, ids: Sequence[bytes]) -> list[Job | None]:
        """See `Store.get`."""
        names, found, waits = self._read("get", [record_codec.packed(one) for one in ids])
        names = record_codec.names_of(names)
        return [record_codec.job_of(raw, names, at) for raw, at in zip(found, waits, strict=True)]

    def find(self, query: Query) -> Page:
        """See `Store.find`. The cursor is a seq."""
        status = record_codec.CODES[query.status] if query.status else 0
        after = -1 if query.after is None else query.after
        following, names, *shown = self._read("find", query.tenant, status, after, query.limit)
        names = record_codec.names_of(names)
        pairs = zip(*shown, strict=True)
        jobs = [job for raw, at in pairs if (job := record_codec.job_of(raw, names, at))]
        return Page(jobs=jobs, next_after=None if following < 0 else following)

    def lease(self, request: LeaseRequest) -> list[Lease]:
        """See `Store.lease`. First what was granted in a group that was not confirmed is handed
        back, for nobody has heard of it."""
        lease_ms = round(request.lease_seconds * 1000)
        self._leased = self._group
        names, found = self._write(
            *("lease", request.worker, request.workloads, request.min_jobs, request.max_jobs),
            *(min(request.max_cost, 2**53), lease_ms, self._group, self._heard),
        )
        names = record_codec.names_of(names)
        return [record_codec.lease_of(raw, names) for raw in found]

    def heads(self, request: LeaseRequest) -> list[Head]:
        """What `lease` would grant, in order, after reclaiming what has run out. Suspects are
        shown where they stand, and nothing is held back for them."""
        packed = self._write(
            *("heads", request.workloads, request.min_jobs, request.max_jobs),
            min(request.max_cost, 2**53),
        )
        return [
            Head(rank, (a << 16 | b) << 32 | c, high << 32 | low, bool(suspect))
            for rank, a, b, c, high, low, suspect in _HEAD.iter_unpack(packed)
        ]

    def renew(self, renewals: Sequence[Renewal]) -> list[Verdict]:
        """See `Store.renew`."""
        words = [
            record_codec.pack_word(
                one.id, one.token, one.done, round(one.lease_seconds * 1000), one.state
            )
            for one in renewals
        ]
        return self._say("renew", words)

    def complete(self, completions: Sequence[Completion]) -> list[Verdict]:
        """See `Store.complete`."""
        words = [record_codec.pack_word(one.id, one.token, 0, 0, one.state) for one in completions]
        return self._say("complete", words, self._bounds.max_known_bytes)

    def fail(self, failures: Sequence[Failure]) -> list[Verdict]:
        """See `Store.fail`."""
        words = [
            record_codec.pack_word(
                *(one.id, one.token, 0, int(one.retryable)),
                one.reason[:MAX_REASON_CHARACTERS].encode(),
            )
            for one in failures
        ]
        return self._say("fail", words)

    def release(self, releases: Sequence[Release]) -> list[Verdict]:
        """See `Store.release`."""
        words = [
            record_codec.pack_word(one.id, one.token, one.done, 0, one.state) for one in releases
        ]
        return self._say("release", words)

    def _say(self, verb: str, words: list[msgspec.Raw], *given: Any) -> list[Verdict]:
        return record_codec.verdicts(self._write(verb, words, *given)) if words else []

    def cancel(self, ids: Sequence[bytes]) -> list[Verdict]:
        """See `Store.cancel`."""
        return self._say("cancel", [record_codec.packed(one) for one in ids])

    def pull(self, request: PullRequest) -> Pulled:
        """See `Store.pull`."""
        seconds = request.receipt_seconds
        receipt_ms = -1 if seconds is None else round(seconds * 1000)
        receipt, *found = self._write("pull", request.tenant, request.top, receipt_ms)
        results = [Result(id=raw[:ID_BYTES], state=raw[ID_BYTES:]) for raw in found]
        return Pulled(results=results, receipt=receipt or None)

    def latest(self, request: PullRequest) -> list[Latest]:
        """What `pull` would hand out, in order, after bringing back lapsed receipts."""
        packed = self._write("latest", request.tenant, request.top)
        return [
            Latest(high << 32 | low, (a << 16 | b) << 32 | c)
            for high, low, a, b, c in _LATEST.iter_unpack(packed)
        ]

    def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> list[int]:
        """See `Store.acknowledge`."""
        items = [
            (
                record_codec.packed(one.receipt),
                one.tenant,
                False if one.ids is None else [record_codec.packed(job_id) for job_id in one.ids],
                one.returned,
            )
            for one in acknowledgements
        ]
        counts: list[int] = self._write("acknowledge", items) if items else []
        return counts

    def stats(self) -> Stats:
        """See `Store.stats`."""
        age, flat, loading = self._read("stats")
        books = dict(zip(flat[::2], flat[1::2], strict=True))
        due = b"" if loading else books.get(b"due", b"")
        self.changed_over = ChangedOver(books.get(b"made", b""), due)
        counters: dict[str, Any] = {name: int(books.get(name.encode(), 0)) for name in COUNTERS}
        return Stats(
            jobs={
                str(s): int(books.get(b"j%d" % code, 0)) for s, code in record_codec.CODES.items()
            },
            oldest_queued_at_ms=None if age < 0 else age // record_codec.AGE_STEPS,
            warnings=(*self._link.warnings, *self.unplaced.warnings),
            **counters,
        )

    def queue_profile(self) -> QueueProfile:
        """See `Store.queue_profile`."""
        return profile_of(self._read("queue_profile", *ASKED))

    def beat(self, nodes: Sequence[Node]) -> None:
        """See `Store.beat`."""
        pairs = (
            (node.incarnation, record_codec.packed(msgspec.msgpack.encode(node))) for node in nodes
        )
        if flat := list(chain.from_iterable(pairs)):
            self._write("beat", flat)

    def nodes(self) -> list[Node]:
        """See `Store.nodes`."""
        return [
            msgspec.structs.replace(
                msgspec.msgpack.decode(raw[_SEEN_BYTES:], type=Node),
                seen_at_ms=int.from_bytes(raw[:_SEEN_BYTES], "big"),
            )
            for raw in self._read("nodes")
        ]

    def lead(self, candidacies: Sequence[Candidacy]) -> list[Leadership]:
        """See `Store.lead`."""
        return [self._lead_one(candidacy) for candidacy in candidacies]

    def _lead_one(self, candidacy: Candidacy) -> Leadership:
        lease_ms = round(candidacy.lease_seconds * 1000)
        token, holder, left_ms = self._write("lead", candidacy.candidate, lease_ms)
        return Leadership(token=token, holder=holder.decode(), left_seconds=left_ms / 1000)

    def purge(self, max_jobs: int) -> int:
        """See `Store.purge`. After it, a look whether somebody removed places of jobs by hand."""
        bounds = self._bounds
        kept = (
            bounds.result_retention_seconds,
            bounds.delivered_retention_seconds,
            bounds.known_retention_seconds,
        )
        kept_ms = [round(seconds * 1000) for seconds in kept]
        told = self._write("purge", max_jobs, *kept_ms, self._max_delivered_bytes)
        gone, leapt_ms, leap_ms, held_until_ms = map(int, told)
        if leapt_ms > self._leapt_ms:
            self._leapt_ms = leapt_ms
            emit(
                "store.clock_leapt",
                level="warning",
                leap_seconds=leap_ms / 1000,
                purge="held",
                held_until_ms=held_until_ms,
            )
        self.unplaced.look(lambda: int(self._read("unplaced")))
        return gone

    def probe(self) -> None:
        """See `Store.probe`."""
        self._write("probe")

    def backup(self, file: Path, place: ShardPlace = ALONE) -> None:
        """See `Store.backup`. Needs no group, and may run in another thread beside groups."""
        link = self._connect()
        now_ms = self._clock() if self._clock else 0
        try:
            head = self._caller.head(now_ms)

            def call(verb: str, *given: Any) -> Any:
                return called(link, verb, (head, *given), writes=False)

            backup.backup(call, file, place)
        finally:
            link.close()

    def restore(
        self,
        file: Path,
        place: ShardPlace = ALONE,
        ready: Ready = at_once,
        together: str = "",
    ) -> None:
        """See `Store.restore`. A group of its own."""
        refused: InvalidInput | None = None
        with self.group():
            try:
                backup.restore(self._write, file, place, ready, together)
            except InvalidInput as error:
                refused = error
        if refused is not None:
            raise refused
