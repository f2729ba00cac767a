"""What SQLite's errors mean to us, and what a person is told about them.

Theory. Two things are asked of an error: whether the change can have happened, and whether the
file may still be relied on. A write that the system refused (no room, a quota, a file system that
became read-only, a flag against writing) happened before any fsync: the change is not in the file
once it is rolled back, and the next one may pass. A failed fsync is another matter: the kernel may
drop the pages and report the next fsync as a success, so nothing is known until a new process has
read the file afresh. The same holds for an error of the shared index at COMMIT, which SQLite
meets after the change was synced.
"""

from __future__ import annotations

import errno
import os
import sys
from pathlib import Path
from typing import Final

import apsw

from workmill.store.durable_files import NO_ROOM

DAMAGE: Final = (apsw.IOError, apsw.CorruptError, apsw.NotADBError, apsw.NoMemError)
REFUSALS: Final = (
    apsw.FullError,
    apsw.BusyError,
    apsw.ReadOnlyError,
    apsw.CantOpenError,
    apsw.PermissionsError,
)
ERRORS: Final = DAMAGE + REFUSALS

NO_WRITING: Final = frozenset({errno.EROFS, errno.EPERM, errno.EACCES})
_WRITE: Final = frozenset({apsw.SQLITE_IOERR_WRITE, apsw.SQLITE_IOERR_TRUNCATE})
_SHARED_INDEX: Final = frozenset(
    {apsw.SQLITE_IOERR_SHMSIZE, apsw.SQLITE_IOERR_SHMOPEN, apsw.SQLITE_IOERR_SHMMAP}
)


def system_errno_of(connection: apsw.Connection, error: BaseException) -> int:
    """What the system said, for the errors that come from it; 0 for all others. Ask at once."""
    if isinstance(error, apsw.IOError | apsw.CantOpenError | apsw.ReadOnlyError):
        return connection.system_errno
    return 0


def is_damage(error: BaseException, system_errno: int, *, at_commit: bool) -> bool:
    """Whether nothing is known about the file after this error of SQLite. `system_errno` is the
    connection's, read at once."""
    if not isinstance(error, DAMAGE):
        return False
    refused = system_errno in NO_ROOM | NO_WRITING
    harmless = _WRITE if at_commit else _WRITE | _SHARED_INDEX
    return not (refused and getattr(error, "extendedresult", 0) in harmless)


def reason_of(error: BaseException | str, system_errno: int, directory: Path) -> str:
    """The error in one clause, with the folder where that is what a person must look at."""
    if isinstance(error, apsw.FullError) or system_errno in NO_ROOM:
        return f"the disk under {directory} is full"
    if isinstance(error, apsw.ReadOnlyError) or system_errno in NO_WRITING:
        return f"{directory} cannot be written to ({_system_words(error, system_errno)})"
    return str(error)


def _system_words(error: BaseException | str, system_errno: int) -> str:
    return os.strerror(system_errno) if system_errno in NO_WRITING else str(error)


def free_bytes(directory: Path) -> int:
    """What may still be written under this directory. When that cannot be told, much: the next
    write will tell."""
    try:
        disk = os.statvfs(directory)
    except OSError:
        return sys.maxsize
    return disk.f_bavail * disk.f_frsize
