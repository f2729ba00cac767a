"""The mark in the database file that says: what is newest stands in the log beside me.

Theory. An acknowledged change is in the log (`jobs.db-wal`) first, and a database that is moved or
copied without its log still opens, as an older store or an empty one. So while a store is open, and
after a kill, the `application_id` in the header of its file is another one. It gets there by a
checkpoint at the opening, before anything is acknowledged, and stays in the file through all later
ones. A clean close copies the log first and takes the mark back after that, since SQLite copies
pages in the order of their numbers, the header's first. A marked file without a log is refused.

The log goes only with the mark: SQLite removes a log that it has copied when the last connection
closes, and is told not to (`NO_CKPT_ON_CLOSE`) by all closes but the one that has taken the mark
back. An empty log beside a marked file is taken: it is SQLite's after it was cut, or a person's
word that the file alone will do. A file that is not in WAL mode has no log to miss (VACUUM INTO).

What is not seen: a copy that comes with the log of another moment or of another store.
"""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import Final

import apsw

from workmill.domain.errors import StoreUnavailable
from workmill.store.sqlite.ownership import LOG_SUFFIX
from workmill.store.sqlite.schema import APPLICATION_ID, OPEN_ID

_VERSION_AT: Final = 18
_ID_AT: Final = 68
_HEADER_BYTES: Final = 100
_WAL_MODE: Final = 2
"""https://www.sqlite.org/fileformat.html, "The Database Header"."""


def is_marked(file: Path) -> bool:
    """Whether the file says so itself, whatever its log says. Only for a file that this process
    has not opened: closing any descriptor drops SQLite's locks."""
    try:
        with file.open("rb", buffering=0) as raw:
            header = os.pread(raw.fileno(), _HEADER_BYTES, 0)
    except OSError:
        return False  # SQLite will say why it cannot be read
    marked = header[_ID_AT : _ID_AT + 4] == OPEN_ID.to_bytes(4, "big")
    return marked and header[_VERSION_AT] == _WAL_MODE


def check_log(file: Path) -> bool:
    """Whether the file is marked. Raises StoreUnavailable when it is and its log is not there."""
    marked = is_marked(file)
    log = file.with_name(file.name + LOG_SUFFIX)
    if not marked or log.exists():
        return marked
    aside = sorted(path.name for path in file.parent.glob(f"{log.name}.aside-*"))
    there = f" (put aside here: {', '.join(aside)})" if aside else ""
    raise StoreUnavailable(
        f"{file} was being served, or its service was killed, when it was moved or copied without "
        f"{log.name}, or when that log was removed{there}: what was acknowledged last may stand in "
        f"that log alone. Nothing was changed. Bring {log.name} from where the file was; or stop "
        "the service there and bring the file again; or restore a backup into an empty directory; "
        "or, to go on with what this file alone has, make an empty log: "
        f"touch {shlex.quote(str(log))}"
    )


def keep_log(connection: apsw.Connection, *, keep: bool) -> None:
    """Whether the log stays when the connection is closed."""
    connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, int(keep))


def put(connection: apsw.Connection, *, anew: bool) -> None:
    """Into the log, where it is not there or is to come anew: the next checkpoint brings it into
    the file. Raises apsw.Error."""
    if anew or connection.execute("PRAGMA application_id").get != OPEN_ID:
        connection.execute(f"PRAGMA application_id = {OPEN_ID}").fetchall()


def take_back(connection: apsw.Connection) -> None:
    """When all is copied into the file; the close brings it there. Raises apsw.Error."""
    connection.execute(f"PRAGMA application_id = {APPLICATION_ID}").fetchall()
