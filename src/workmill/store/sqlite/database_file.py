"""Opening the one file: how it is set up, and when it is not ours.

Theory. A commit is acknowledged after SQLite has written the change to the write-ahead log and
fsync has returned (`journal_mode=WAL`, `synchronous=FULL`; with NORMAL a power cut loses every
commit since the last checkpoint). There is one owner process and one connection that writes.
SQLite up to 3.51.2 could corrupt a WAL file (https://www.sqlite.org/wal.html, "The WAL-reset
bug"), so older ones are refused. Nobody opens the file raw: closing any descriptor of a file
drops all POSIX locks that the process has on it, SQLite's included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import apsw

from workmill.domain.errors import StoreUnavailable
from workmill.store.sqlite import mark, sqlite_errors
from workmill.store.sqlite.schema import (
    APPLICATION_ID,
    BACKUP_ID,
    FILE,
    OPEN_ID,
    SCHEMA_VERSION,
)
from workmill.store.sqlite.write_ahead_log import CHECKPOINT_PAGES, PAGE_BYTES

OLDEST_SQLITE: Final = (3, 51, 3)
CACHE_KIB: Final = 64 * 1024


def connect(file: Path) -> apsw.Connection:
    """Open the store's file, making it if it is not there.

    Raises StoreUnavailable when it cannot be opened or is not a store of this version.
    """
    if tuple(map(int, apsw.sqlite_lib_version().split("."))) < OLDEST_SQLITE:
        raise StoreUnavailable(
            f"SQLite {apsw.sqlite_lib_version()} can corrupt a store. Install apsw 3.51.3 or later."
        )
    connection = None
    try:
        connection = apsw.Connection(str(file))
        mark.keep_log(connection, keep=True)
        _set_up(connection)
    except BaseException as error:
        system_errno = sqlite_errors.system_errno_of(connection, error) if connection else 0
        if connection:
            connection.close(True)
        if isinstance(error, apsw.Error):
            raise unopened(file, error, system_errno) from error
        raise
    return connection


def unopened(file: Path, error: apsw.Error, system_errno: int) -> StoreUnavailable:
    """What a person is told whose store cannot be opened."""
    why = sqlite_errors.reason_of(error, system_errno, file.parent)
    passing = not sqlite_errors.is_damage(error, system_errno, at_commit=False)
    todo = (
        "Make room or give the right to write there, and start again: what was acknowledged is kept"
        if passing
        else "Look at the disk, or restore a backup into an empty directory"
    )
    return StoreUnavailable(
        f"The store {file} cannot be opened: {why}. It was left as it is. {todo}."
    )


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


def foreign(
    connection: apsw.Connection, wanted: tuple[int, ...] = (APPLICATION_ID, OPEN_ID)
) -> str | None:
    """Why this is not a store that we can use, None when it is one."""
    found = connection.execute("PRAGMA application_id").get
    if found == BACKUP_ID and found not in wanted:
        return (
            "is a backup, and must not be served as it is: workers of the time before would be "
            "believed. Start with an empty directory and give the file to `workmill restore`"
        )
    if found not in wanted:
        return "is not a Workmill store"
    version = connection.execute("PRAGMA user_version").get
    if version != SCHEMA_VERSION:
        return f"is of version {version}; this Workmill reads version {SCHEMA_VERSION}"
    return None
