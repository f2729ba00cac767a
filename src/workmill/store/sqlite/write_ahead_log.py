"""The write-ahead log: copied into the database when it is long, cut when it has grown.

Theory. Copying (a checkpoint) happens after a commit, and so after the point of no return: a
failure here is never told to those whose change was committed. The log holds all of it, so it is
tried again, with growing pauses, while the log grows; at `MAX_PAGES` nothing new is taken in. Only
a failed fsync is more than that: `keep_short` then says so, and the store stops before its next
group.

A reader (a backup, another process) keeps what it sees in the log, which grows meanwhile. When the
last reader is gone the next copy takes everything, and a log that has become longer than it
usually is gives its room back.
"""

from __future__ import annotations

import time
from typing import Final

import apsw

from workmill.domain.errors import StoreFull
from workmill.store.sqlite import mark
from workmill.store.sqlite.disk_room import FULL_RETRY_SECONDS
from workmill.store.sqlite.sqlite_errors import is_damage, system_errno_of
from workmill.telemetry import emit

PAGE_BYTES: Final = 4096
CHECKPOINT_PAGES: Final = 4096
"""The log is copied into the file when it is this long, by the group that made it so. SQLite's own
automatic checkpoint would do it too, but it hides a failed fsync of the file."""
SHORT_PAGES: Final = 256
"""The same, while the disk is full."""
MARK_PAGES: Final = 2 * CHECKPOINT_PAGES
"""A log longer than this is not copied at the opening just for the mark: that must not wait."""
MAX_PAGES: Final = 262_144
"""1 GiB: with a log this long nothing new is taken in until it could be copied."""
RETRY_SECONDS: Final = 0.5
MAX_RETRY_SECONDS: Final = 30.0


class Log:
    """The log of one connection. Wants to be told after every commit, by `keep_short`."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._pages = 0
        self._peak_pages = 0
        self._retry_at = 0.0
        self._pause = 0.0
        self._marked = False
        """Whether the file itself says that its log is needed; see `mark`."""
        self.grew = False
        """Whether the last commit has written anything; whoever reads it sets it back."""
        connection.set_wal_hook(self._note)

    def _note(self, _connection: apsw.Connection, _name: str, pages: int) -> int:
        self._pages = pages
        self._peak_pages = max(self._peak_pages, pages)
        self.grew = True
        return apsw.SQLITE_OK

    def begin(self, *, marked: bool) -> None:
        """Have the mark in the file, before anything is acknowledged. Where there is no room for
        it, or where the log is too long to be copied now, it comes with the next copy that
        succeeds. Raises apsw.Error after which the file cannot be relied on."""
        self._marked = marked
        try:
            if self._put_mark() and not marked and self._pages <= MARK_PAGES:
                pages, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
                self._marked = copied >= pages
        except apsw.Error as error:
            if is_damage(error, system_errno_of(self._connection, error), at_commit=True):
                raise

    def _put_mark(self) -> bool:
        """Into the log; false where there is no room for that. A file that is to get it gets it
        anew: only what is written tells how long the log is."""
        try:
            mark.put(self._connection, anew=not self._marked)
        except apsw.BusyError:
            raise
        except apsw.Error as error:
            if is_damage(error, system_errno_of(self._connection, error), at_commit=True):
                raise
            return False
        return True

    def end(self) -> None:
        """Before a clean close: copy everything, then take the mark back. Where that cannot be,
        both the mark and the log stay."""
        connection = self._connection
        if connection.in_transaction:
            return
        try:
            connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            mark.take_back(connection)
        except apsw.Error:
            return
        mark.keep_log(connection, keep=False)

    def check_room(self) -> None:
        """Raise StoreFull while the log is too long for anything new."""
        if self._pages >= MAX_PAGES:
            raise StoreFull(
                f"The store's log is {self._pages * PAGE_BYTES // 2**20} MiB long and could not be "
                "copied into its file: the disk is full, or something reads the file without "
                "end. Nothing was stored. Make room or end that reader, and try again.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )

    def keep_short(self, *, disk_full: bool) -> tuple[bool, BaseException | None]:
        """Copy the log when it is long enough; whether the database was written to, and the error
        after which its file cannot be relied on."""
        if self._marked and self._pages < (SHORT_PAGES if disk_full else CHECKPOINT_PAGES):
            return False, None
        if time.monotonic() < self._retry_at:
            return False, None
        try:
            marked = self._marked or self._put_mark()
            pages, copied = self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
            if copied >= pages:
                self._marked = marked
                self._copied_all()
                if not marked:
                    self._wait()
            else:
                self._wait()
        except apsw.BusyError:
            self._wait()
        except apsw.Error as error:
            return True, self._failed(error)
        return True, None

    def _copied_all(self) -> None:
        if self._pause:
            emit("store.log_copied", bytes=self._peak_pages * PAGE_BYTES)
        if self._peak_pages > 2 * CHECKPOINT_PAGES:
            self._connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            self._peak_pages = 0
        self._pages, self._pause, self._retry_at = 0, 0.0, 0.0

    def _wait(self) -> None:
        self._retry_at = time.monotonic() + RETRY_SECONDS

    def _failed(self, error: apsw.Error) -> BaseException | None:
        if is_damage(error, system_errno_of(self._connection, error), at_commit=True):
            return error
        if not self._pause:
            emit(
                "store.log_not_copied",
                level="error",
                error=str(error),
                log_bytes=self._pages * PAGE_BYTES,
            )
        self._pause = min(MAX_RETRY_SECONDS, 2 * self._pause or RETRY_SECONDS)
        self._retry_at = time.monotonic() + self._pause
        return None
