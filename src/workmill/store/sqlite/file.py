"""Opening the one file: who may own it, how it is set up, and what its errors mean to us.

Theory. A commit is acknowledged after SQLite has written the change to the write-ahead log and
fsync has returned (`journal_mode=WAL`, `synchronous=FULL`; with NORMAL a power cut loses every
commit since the last checkpoint). There is one owner process and one connection that writes.
SQLite up to 3.51.2 could corrupt a WAL file (https://www.sqlite.org/wal.html, "The WAL-reset
bug"), so older ones are refused. Nobody opens the file raw: closing any descriptor of a file
drops all POSIX locks that the process has on it, SQLite's included.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Final, TextIO

import apsw

from workmill.domain.errors import StoreFull, StoreUnavailable
from workmill.store.sqlite.schema import (
    APPLICATION_ID,
    FILE,
    MEMORY,
    REBUILD,
    SCHEMA_VERSION,
)

FILE_NAME: Final = "jobs.db"
LOCK_NAME: Final = "owner.lock"
OLDEST_SQLITE: Final = (3, 51, 3)
PAGE_BYTES: Final = 4096
FULL_RETRY_SECONDS: Final = 10.0
CACHE_KIB: Final = 64 * 1024
CHECKPOINT_PAGES: Final = 4096
"""The log is copied into the file when it is this long, by the group that made it so. SQLite's own
automatic checkpoint would do it too, but it hides a failed fsync of the file."""

MIN_FREE_BYTES: Final = 64 * 1024 * 1024
"""With less than this free on the disk nothing new is taken in, so that what is there can still be
computed, finished and delivered: a full log takes 16 MiB, a finished job some hundred bytes."""

FATAL: Final = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError)
"""After these nothing is known about the file: after a failed fsync the kernel may drop the
pages and report the next one as a success. Only a new process, reading afresh, can tell."""
PASSING: Final = (apsw.FullError, apsw.BusyError, apsw.ReadOnlyError, apsw.CantOpenError)
"""The change did not happen, and the next one may."""


def own(directory: Path) -> TextIO:
    """Become the one owner of a store's directory, until the returned file is closed.

    Raises StoreUnavailable when another process owns it.
    """
    directory.mkdir(parents=True, exist_ok=True)
    lock = (directory / LOCK_NAME).open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        owner = lock.read().strip() or "unknown"
        lock.close()
        raise StoreUnavailable(
            f"Another process (pid {owner}) owns the store in {directory}. Nothing was changed. "
            "Stop that one first, or choose another directory."
        ) from None
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def check_room(directory: Path) -> None:
    """Raise StoreFull when the disk has no room for new jobs and for the ends of the old ones."""
    disk = os.statvfs(directory)
    free_bytes = disk.f_bavail * disk.f_frsize
    if free_bytes < MIN_FREE_BYTES:
        raise StoreFull(
            f"The disk under {directory} has {free_bytes // 2**20} MiB free, and the last "
            f"{MIN_FREE_BYTES // 2**20} MiB are kept for finishing what is there. Nothing was "
            "stored. Make room, or fetch results, and try again.",
            retry_after_seconds=FULL_RETRY_SECONDS,
        )


def connect(file: Path) -> apsw.Connection:
    """Open the store's file, making it if it is not there, and build the memory beside it.

    Raises StoreUnavailable when it cannot be opened or is not a store of this version.
    """
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < OLDEST_SQLITE:
        raise StoreUnavailable(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a store. Install apsw 3.51.3 or later."
        )
    try:
        connection = apsw.Connection(str(file))
        try:
            _set_up(connection)
        except BaseException:
            connection.close(True)
            raise
    except apsw.Error as error:
        raise StoreUnavailable(
            f"The store {file} cannot be opened: {error}. It was left as it is. "
            "Look at the disk, or restore a backup into an empty directory."
        ) from error
    return connection


def _set_up(connection: apsw.Connection) -> None:
    empty = connection.execute("SELECT count(*) FROM sqlite_schema").get == 0
    if not empty and (problem := foreign(connection)):
        raise StoreUnavailable(f"{connection.filename} {problem}. It was left as it is.")
    connection.execute(f"""
        PRAGMA page_size = {PAGE_BYTES};
        PRAGMA journal_mode = WAL;
        PRAGMA synchronous = FULL;
        PRAGMA cache_size = -{CACHE_KIB};
        PRAGMA wal_autocheckpoint = 0;
        PRAGMA journal_size_limit = {CHECKPOINT_PAGES * PAGE_BYTES};
        PRAGMA temp_store = MEMORY;
    """)
    connection.execute(MEMORY)
    if empty:
        create(connection)


def create(connection: apsw.Connection) -> None:
    """Lay out a new file, whole or not at all."""
    connection.execute(f"""
        BEGIN IMMEDIATE;
        {FILE}
        PRAGMA application_id = {APPLICATION_ID};
        PRAGMA user_version = {SCHEMA_VERSION};
        COMMIT;
    """)


def foreign(connection: apsw.Connection) -> str | None:
    """Why this is not a store that we can use, None when it is one."""
    if connection.execute("PRAGMA application_id").get != APPLICATION_ID:
        return "is not a Workmill store"
    version = connection.execute("PRAGMA user_version").get
    if version != SCHEMA_VERSION:
        return f"is of version {version}; this Workmill reads version {SCHEMA_VERSION}"
    return None


def rebuild_memory(connection: apsw.Connection) -> None:
    """Fill the memory indexes from the file: one scan of what runs and what is known."""
    connection.execute(REBUILD)
