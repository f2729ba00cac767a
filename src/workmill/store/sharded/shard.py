"""One part: its store, the thread that drives it, and what happens when it is away.

Theory. A part that fails is not asked again by the groups that follow: they would all wait for it
as long as the first one did. Instead its own thread tries until it answers, and only then do
groups see it again. So the others lose the time of one failure, once. It has answered when it has
taken a write: a server may show what it has and yet refuse every change, for want of replicas or of
a disk, and every group that believed it would wait for it again.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

from workmill.domain.errors import StoreUnavailable, WorkmillError
from workmill.domain.job import NewJob, Stats, Submitted
from workmill.store.redis.backup_shard import ShardPlace
from workmill.store.redis.resubmission import ResubmittingStore
from workmill.store.redis.shard_store import PartStore
from workmill.store.sharded.restore_barrier import Muster
from workmill.telemetry import Incident, emit_rarely

T = TypeVar("T")
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0


class Opened(NamedTuple):
    """A part's store, and the same with a second layer over `group` and `submit`, if it has one."""

    verbs: PartStore
    outer: PartStore | ResubmittingStore

    def submit(self, jobs: list[NewJob], ages: list[int]) -> list[Submitted]:
        return self.outer.submit(jobs, ages)

    def restore(self, file: Path, place: ShardPlace, muster: Muster) -> None:
        """Put a part of a backup in the place of all, when all parts of the `muster` can do so;
        nothing from before is submitted again."""
        try:
            self.verbs.restore(file, place, muster.ready, muster.name)
        except BaseException:
            muster.fail()
            raise
        if isinstance(self.outer, ResubmittingStore):
            self.outer.forget()


class Part:
    """One part under its number. Its thread or the store's drives it, never both at a time."""

    def __init__(self, number: int, name: str, open_part: Callable[[], Opened]) -> None:
        """`open_part` opens it and checks its number; `name` is what people are told."""
        self.number = number
        self.name = name
        self.stats: Stats | None = None
        self.failure: StoreUnavailable | None = None
        """Why this group cannot have it."""
        self._open_part = open_part
        self._opened: Opened | None = None
        self._group: AbstractContextManager[None] | None = None
        self._away: StoreUnavailable | None = None
        self._told = Incident("store.part_lost", "store.part_found", part=name)
        self._closing = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"part-{number}")

    @property
    def opened(self) -> Opened:
        """Its store. Raises StoreUnavailable when it was never reached."""
        if self._opened is None:
            raise self._away or StoreUnavailable(f"Part {self.number} is not open.")
        return self._opened

    @property
    def away(self) -> StoreUnavailable | None:
        """Why it cannot be used now: its thread is busy with looking for it."""
        return self._away

    def open(self) -> Future[None]:
        """Open it for the first time."""
        return self._thread.submit(self._open)

    def _open(self) -> None:
        self._opened = self._open_part()

    def new_group(self) -> None:
        """From here on what fails is this group's."""
        self.failure = self._away
        if self._away is None and self._told.lasting:
            self._told.succeeded()

    @property
    def entered(self) -> bool:
        """Whether the group has come to it."""
        return self._group is not None

    def aside(self, act: Callable[[], T]) -> Future[T]:
        """Do something in its thread."""
        return self._thread.submit(act)

    def do(self, act: Callable[[Opened], T]) -> T:
        """Do this within the group."""
        opened = self.opened
        if self._group is None:
            group = opened.outer.group()
            group.__enter__()
            self._group = group
        return act(opened)

    def leave(self, error: BaseException | None) -> None:
        """End the group: it is as durable as the store promises, or the error goes into it."""
        group, self._group = self._group, None
        if group is None:
            return
        if error is None:
            group.__exit__(None, None, None)
        else:
            group.__exit__(type(error), error, error.__traceback__)

    def alone(self, act: Callable[[Opened], T]) -> Future[T]:
        """Do something that is no part of any group."""
        return self._thread.submit(lambda: act(self.opened))

    def failed(self, error: StoreUnavailable) -> None:
        """It cannot be relied on in this group, nor in the next ones until it is back."""
        self.failure = error
        if self._away is None:
            self._away = error
            self._told.failed(detail=error.detail)
            self._thread.submit(self._come_back, error)

    def _come_back(self, error: StoreUnavailable) -> None:
        pause = 0.0
        self._drop_group(error)
        while not self._closing.wait(pause):
            try:
                if self._opened is None:
                    self._open()
                with self.opened.outer.group():
                    self.opened.verbs.probe()
            except Exception as failure:  # noqa: BLE001 - whatever it is, it is tried again
                if not isinstance(failure, WorkmillError):
                    said = repr(failure)[:500]
                    emit_rarely("store.verb_failed", level="error", verb="open", error=said)
                pause = min(max(FIRST_PAUSE_SECONDS, 2 * pause), LONGEST_PAUSE_SECONDS)
            else:
                self._told.succeeded()
                self._away = None
                return

    def _drop_group(self, error: StoreUnavailable) -> None:
        with suppress(StoreUnavailable):  # it is the one that is known, or says no more than that
            self.leave(error)

    def close(self) -> None:
        """Leave it, whatever state it is in."""
        self._closing.set()
        self._thread.submit(self._close).result()
        self._thread.shutdown()

    def _close(self) -> None:
        if self._opened is not None:
            self._opened.outer.close()
