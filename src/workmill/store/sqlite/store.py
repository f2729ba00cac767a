"""The store as the house sees it: opens the file, runs groups, and hands each verb on."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from workmill.domain.clock import Clock, steady_clock
from workmill.domain.errors import StoreLost, StoreUnavailable
from workmill.domain.ids import new_id
from workmill.domain.job import (
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
    Stats,
    Submitted,
    Verdict,
)
from workmill.domain.queue_profile import QueueProfile
from workmill.store.bounds import Bounds
from workmill.store.sqlite import (
    backup,
    cancel,
    endings,
    file,
    lead,
    lease,
    progress,
    purge,
    queue_profile,
    reads,
    results,
    submit,
)
from workmill.store.sqlite.nodes import Register
from workmill.store.sqlite.session import Session

RETRY_SECONDS: Final = 1.0


class SqliteStore:
    """`workmill.store.port.Store` over one SQLite file in `directory`, which it owns alone.

    Raises StoreUnavailable when the directory has an owner already or the file is no store.
    After an I/O error it refuses everything: close it, look at the disk, open it again.
    """

    def __init__(
        self, directory: Path, *, clock: Clock | None = None, bounds: Bounds | None = None
    ) -> None:
        """`clock` is the machine's without its steps, unless a test moves its own."""
        self._clock = clock or steady_clock()
        self._file = directory / file.FILE_NAME
        self._pid = os.getpid()
        self._broken: str | None = None
        self._grouped = False
        self._lock = file.own(directory)
        try:
            connection = file.connect(self._file)
        except BaseException:
            self._lock.close()
            raise
        self._session = Session(connection, bounds or Bounds())
        self._session.open(self._clock())
        self._register = Register()
        self._log_pages = 0
        connection.set_wal_hook(self._note_log_pages)

    def close(self) -> None:
        """See `Store.close`."""
        self._session.connection.close()
        self._lock.close()

    @contextmanager
    def group(self) -> Iterator[None]:
        """See `Store.group`."""
        self._refuse_if_unusable()
        session = self._session
        session.read(self._clock)
        try:
            session.connection.execute("BEGIN IMMEDIATE")
            self._grouped = True
            yield
            session.keeper.save(session.now_ms)
            session.connection.execute("COMMIT")
            self._keep_log_short()
        except BaseException as error:
            self._undo(error)
            if isinstance(error, file.FATAL + file.PASSING):
                raise self._refusal(error) from error
            raise
        finally:
            self._grouped = False

    def _refuse_if_unusable(self) -> None:
        if os.getpid() != self._pid:
            raise StoreUnavailable("A store cannot be carried over a fork: open it in the child.")
        if self._grouped:
            raise RuntimeError("groups do not nest")
        if self._broken:
            raise self._refusal(self._broken)

    def _refusal(self, error: BaseException | str) -> StoreUnavailable:
        if self._broken:
            return StoreLost(
                f"The store has stopped after an I/O error: {error}. "
                "What was acknowledged is kept. Look at the disk, then start again."
            )
        return StoreUnavailable(
            f"The store did not commit: {error}. Nothing was changed. Try again.",
            retry_after_seconds=RETRY_SECONDS,
        )

    def _note_log_pages(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._log_pages = pages
        return apsw.SQLITE_OK

    def _keep_log_short(self) -> None:
        if self._log_pages >= file.CHECKPOINT_PAGES:
            self._log_pages = 0
            self._session.connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)

    def _undo(self, error: BaseException) -> None:
        """Back to what the file says; a store that cannot go back is broken."""
        connection = self._session.connection
        if isinstance(error, file.FATAL):
            self._broken = str(error)
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if not self._broken:
                self._session.load()
        except apsw.Error as second:
            self._broken = str(second)

    def _in_group(self) -> Session:
        if not self._grouped:
            raise RuntimeError("every verb runs inside a group()")
        return self._session

    def new_id(self, key: bytes) -> bytes:  # noqa: ARG002 - a store of one part has one place
        """See `Store.new_id`."""
        return new_id()

    def submit(self, jobs: Sequence[NewJob]) -> list[Submitted]:
        """See `Store.submit`."""
        session = self._in_group()
        file.check_room(self._file.parent)
        return submit.submit(session, jobs)

    def get(self, ids: Sequence[bytes]) -> list[Job | None]:
        """See `Store.get`."""
        return reads.get(self._in_group(), ids)

    def find(self, query: Query) -> Page:
        """See `Store.find`."""
        return reads.find(self._in_group(), query)

    def lease(self, request: LeaseRequest) -> list[Lease]:
        """See `Store.lease`."""
        return lease.lease(self._in_group(), request)

    def renew(self, renewals: Sequence[Renewal]) -> list[Verdict]:
        """See `Store.renew`."""
        return progress.renew(self._in_group(), renewals)

    def complete(self, completions: Sequence[Completion]) -> list[Verdict]:
        """See `Store.complete`."""
        return endings.complete(self._in_group(), completions)

    def fail(self, failures: Sequence[Failure]) -> list[Verdict]:
        """See `Store.fail`."""
        return endings.fail(self._in_group(), failures)

    def release(self, releases: Sequence[Release]) -> list[Verdict]:
        """See `Store.release`."""
        return progress.release(self._in_group(), releases)

    def cancel(self, ids: Sequence[bytes]) -> list[Verdict]:
        """See `Store.cancel`."""
        return cancel.cancel(self._in_group(), ids)

    def pull(self, request: PullRequest) -> Pulled:
        """See `Store.pull`."""
        return results.pull(self._in_group(), request)

    def acknowledge(self, acknowledgements: Sequence[Acknowledgement]) -> list[int]:
        """See `Store.acknowledge`."""
        return results.acknowledge(self._in_group(), acknowledgements)

    def stats(self) -> Stats:
        """See `Store.stats`."""
        return reads.stats(self._in_group())

    def queue_profile(self) -> QueueProfile:
        """See `Store.queue_profile`."""
        return queue_profile.queue_profile(self._in_group())

    def beat(self, nodes: Sequence[Node]) -> None:
        """See `Store.beat`."""
        self._register.beat(nodes, self._in_group().now_ms)

    def nodes(self) -> list[Node]:
        """See `Store.nodes`."""
        return self._register.alive(self._in_group().now_ms)

    def lead(self, candidacies: Sequence[Candidacy]) -> list[Leadership]:
        """See `Store.lead`."""
        return lead.lead(self._in_group(), candidacies)

    def purge(self, max_jobs: int) -> int:
        """See `Store.purge`."""
        return purge.purge(self._in_group(), max_jobs)

    def backup(self, file: Path) -> None:
        """See `Store.backup`. Needs no group, and may run in another thread beside groups."""
        backup.backup(self._file, file)

    def restore(self, file: Path) -> None:
        """See `Store.restore`. A group of its own."""
        try:
            with self.group():
                backup.restore(self._session, file)
        finally:
            backup.let_go(self._session)
