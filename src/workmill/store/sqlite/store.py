"""The store as the house sees it: opens the file, runs groups, and hands each verb on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import apsw

from workmill.domain.clock import Clock, steady_clock, system_clock
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
from workmill.store.durable_files import NO_ROOM
from workmill.store.retention import Bounds
from workmill.store.sqlite import (
    backup,
    cancel,
    clock_leaps,
    complete_fail,
    database_file,
    index_filling,
    leadership,
    lease,
    mark,
    purge,
    queries,
    queue_profile,
    renew_release,
    results,
    sqlite_errors,
    submit,
)
from workmill.store.sqlite.content_index import WorkIndex
from workmill.store.sqlite.disk_room import Room
from workmill.store.sqlite.nodes import Register
from workmill.store.sqlite.ownership import (
    FILE_NAME,
    OpenFiles,
    Ownership,
    check_files,
    home_of,
    make_directory,
    remove_unborn,
)
from workmill.store.sqlite.served_time import ServedTime
from workmill.store.sqlite.session import Session
from workmill.store.sqlite.write_ahead_log import Log
from workmill.telemetry import emit

RETRY_SECONDS: Final = 1.0
_WRITER: Final = "PRAGMA data_version"
"""Another number for a connection, once another one has committed."""
_WHAT_THEN: Final = (
    "What was acknowledged is in its files: look at them and at the disk, then start again."
)
"""Not that it is kept: the files may be what is gone."""


class SqliteStore:
    """`workmill.store.port.Store` over one SQLite file in `directory`, which it owns alone.

    Raises StoreUnavailable when the directory has an owner already or the file is no store.
    After an I/O error it refuses everything: close it, look at the disk, open it again.
    """

    def __init__(
        self, directory: Path, *, clock: Clock | None = None, bounds: Bounds | None = None
    ) -> None:
        """`clock` is the machine's without its steps, unless a test moves its own; see
        `served_time`."""
        self._clock = clock or steady_clock()
        self._served = ServedTime(whole=clock is not None)
        self._drift = clock_leaps.Drift(system_clock if clock is None else clock)
        self._pid = os.getpid()
        self._broken: str | None = None
        self._grouped = False
        make_directory(directory)
        self._file = home_of(directory) / FILE_NAME
        self._ownership = Ownership(self._file.parent)
        new = not self._file.exists()
        try:
            self._open(bounds or Bounds())
        except BaseException:
            if new:
                remove_unborn(self._file)
            self._ownership.end()
            raise

    def _open(self, bounds: Bounds) -> None:
        check_files(self._file, founded=self._ownership.founded)
        self._room = Room(self._file)
        self._room.open_up()
        marked = mark.check_log(self._file)
        connection = database_file.connect(self._file)
        self._log = Log(connection)
        index = WorkIndex(self._file)
        self._session = Session(connection, bounds, index, self._served)
        try:
            self._log.begin(marked=marked)
            self._session.open(self._clock())
            self._room.keep_reserve()
            self._writer = connection.execute(_WRITER).get
            self._files = OpenFiles(self._file)
            self._ownership.note_founded()
        except BaseException as error:
            system_errno = sqlite_errors.system_errno_of(connection, error)
            index.close()
            connection.close(True)
            if isinstance(error, apsw.Error):
                raise database_file.unopened(self._file, error, system_errno) from error
            raise
        self._register = Register()

    @property
    def settling(self) -> bool:
        """Whether jobs wait for their work to be looked up, since it was opened; see
        `index_filling`."""
        return self._session.index.building or self._session.unplaced

    def close(self) -> None:
        """See `Store.close`."""
        connection = self._session.connection
        self._session.index.close()
        overwritten = self._files.problem() is not None and self._files.overwritten
        if not overwritten and os.getpid() == self._pid:
            self._log.end()
        try:
            connection.close()
        finally:
            if overwritten:
                self._part_from_other_file()
            self._room.leave()
            self._ownership.end()

    def _part_from_other_file(self) -> None:
        """Our log must not be played into a file that somebody put in the place of ours."""
        aside = self._files.put_log_aside()
        emit("store.log_put_aside", level="error", file=str(self._file), log=str(aside))

    @contextmanager
    def group(self) -> Iterator[None]:
        """See `Store.group`."""
        self._refuse_if_unusable()
        session = self._session
        session.read(self._clock)
        at_commit = False
        try:
            session.index.take_over()
            session.connection.execute("BEGIN IMMEDIATE")
            self._grouped = True
            self._check_writer()
            if session.unplaced and not session.index.building:
                session.unplaced = index_filling.place(session) > 0
            yield
            session.keeper.save(session.now_ms, session.served.lag_ms)
            at_commit = True
            session.connection.execute("COMMIT")
        except BaseException as error:
            refusal = self._undo(error, at_commit=at_commit)
            if refusal is not None:
                raise refusal from error
            raise
        finally:
            self._grouped = False
        self._after_commit()

    def _after_commit(self) -> None:
        """The change is on stable storage: whatever fails from here on is no word about it, except
        that the files it went to are not there any more."""
        if self._log.grew:
            self._log.grew = False
            self._served.kept()
            self._check_files()
        try:
            self._session.index.commit()
        except apsw.Error as error:
            self._broken = f"the index of work could not follow: {error}"
        wrote, damage = self._log.keep_short(disk_full=self._room.short)
        if wrote:
            self._files.note_own_write()
        if damage is not None:
            self._broken = f"the log could not be copied into the file: {damage}"
            emit("store.log_not_copied", level="error", error=str(damage))

    def _check_writer(self) -> None:
        """SQLite lets any process write that may write the file; within a transaction it says
        whether one has. What it did to jobs, to their counters and to our index is not known."""
        if self._session.connection.execute(_WRITER).get != self._writer:
            self._broken = f"somebody else has changed {self._file} with SQLite while it was open"
            raise StoreLost(
                f"The store has stopped: {self._broken}. Nothing of this was stored. Whether all "
                "that was acknowledged is still there is not known: look at it, or restore a "
                "backup, then start again. Only look into a file that is served."
            )

    def _check_files(self) -> None:
        if problem := self._files.problem():
            self._broken = problem
            raise StoreLost(
                f"The store has stopped: {problem}. What was stored since then may be lost, and "
                "nothing more is acknowledged. Put the file back, or restore a backup, and start "
                "again."
            )

    def _refuse_if_unusable(self) -> None:
        if os.getpid() != self._pid:
            raise StoreUnavailable("A store cannot be carried over a fork: open it in the child.")
        if self._grouped:
            raise RuntimeError("groups do not nest")
        if self._broken:
            raise StoreLost(
                f"The store has stopped: {self._broken}. Nothing of this was stored. {_WHAT_THEN}"
            )

    def _undo(self, error: BaseException, *, at_commit: bool) -> StoreUnavailable | None:
        """Back to what the file says; a store that cannot go back is broken. What the caller is to
        be told, None for an error that is none of the file's."""
        connection = self._session.connection
        system_errno = sqlite_errors.system_errno_of(connection, error)
        if sqlite_errors.is_damage(error, system_errno, at_commit=at_commit):
            self._broken = str(error)
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            if not self._broken:
                self._session.take_back_time()
                self._session.load()
                self._session.index.roll_back()
        except apsw.Error as second:
            self._broken = str(second)
        if isinstance(error, StoreLost):
            return None
        if self._broken:
            return _lost(self._broken, at_commit=at_commit)
        if isinstance(error, sqlite_errors.ERRORS):
            self._served.refused()
            return self._refusal(error, system_errno)
        return None

    def _refusal(self, error: BaseException, system_errno: int) -> StoreUnavailable:
        if isinstance(error, apsw.FullError) or system_errno in NO_ROOM:
            self._room.release()
        why = sqlite_errors.reason_of(error, system_errno, self._file.parent)
        return StoreUnavailable(
            f"The store did not commit: {why}. Nothing was changed. Try again.",
            retry_after_seconds=RETRY_SECONDS,
        )

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
        self._room.check()
        self._log.check_room()
        return submit.submit(session, jobs)

    def get(self, ids: Sequence[bytes]) -> list[Job | None]:
        """See `Store.get`."""
        return queries.get(self._in_group(), ids)

    def find(self, query: Query) -> Page:
        """See `Store.find`."""
        return queries.find(self._in_group(), query)

    def lease(self, request: LeaseRequest) -> list[Lease]:
        """See `Store.lease`."""
        return lease.lease(self._in_group(), request)

    def renew(self, renewals: Sequence[Renewal]) -> list[Verdict]:
        """See `Store.renew`."""
        return renew_release.renew(self._in_group(), renewals)

    def complete(self, completions: Sequence[Completion]) -> list[Verdict]:
        """See `Store.complete`."""
        return complete_fail.complete(self._in_group(), completions)

    def fail(self, failures: Sequence[Failure]) -> list[Verdict]:
        """See `Store.fail`."""
        return complete_fail.fail(self._in_group(), failures)

    def release(self, releases: Sequence[Release]) -> list[Verdict]:
        """See `Store.release`."""
        return renew_release.release(self._in_group(), releases)

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
        return queries.stats(self._in_group())

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
        return leadership.lead(self._in_group(), candidacies)

    def purge(self, max_jobs: int) -> int:
        """See `Store.purge`."""
        return purge.purge(self._in_group(), max_jobs)

    def probe(self) -> None:
        """See `Store.probe`: the page of the books, written anew."""
        session = self._in_group()
        self._check_files()
        self._drift.tell(self._clock())
        if self._room.short:
            self._room.keep_reserve()
        session.books.probes += 1

    def backup(self, file: Path) -> None:
        """See `Store.backup`. Needs no group, and may run in another thread beside groups."""
        backup.backup(self._file, file)

    def restore(self, file: Path) -> None:
        """See `Store.restore`. A group of its own."""
        session = self._session
        try:
            with self.group():
                restored = backup.restore(session, file)
        except BaseException as error:
            backup.close_statements(error)
            raise
        finally:
            self._after_restore(backup.let_go)
        self._after_restore(Session.fill_index)
        restored.tell()

    def _after_restore(self, act: Callable[[Session], None]) -> None:
        """Whether it stands or not is decided: what fails here is for the next group to say."""
        try:
            act(self._session)
        except apsw.Error as error:
            self._broken = self._broken or str(error)


def _lost(why: str, *, at_commit: bool) -> StoreLost:
    outcome = (
        "Whether this change was stored is not known until the store is opened again; repeat it "
        "under the same id, which is harmless"
        if at_commit
        else "Nothing of this was stored"
    )
    return StoreLost(
        f"The store has stopped after an error of the disk: {why}. {outcome}. {_WHAT_THEN}"
    )
