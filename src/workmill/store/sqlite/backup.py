"""The verbs `backup` and `restore`.

A backup is read through a connection of its own: it sees what is committed, never half a group,
and may run in another thread while groups go on. It is written beside its place, checked,
synced, and only then given its name.

A restore is one transaction, like any other change. What makes it safe is the tokens: workers
may still hold leases that the replaced store issued, and their ids may come back. So every
token starts again above any that either store has ever issued, and receipts get a new epoch.
"""

from __future__ import annotations

import os
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Final, NamedTuple

import apsw
import msgspec

from workmill.domain.errors import InvalidInput, StoreUnavailable
from workmill.domain.lifecycle import Status, Verb
from workmill.store.durable_files import sync
from workmill.store.retention import TOKEN_STEP
from workmill.store.sqlite import backup_checksum, clock_leaps, sqlite_errors
from workmill.store.sqlite.backup_audit import contradiction, texts_are_possible
from workmill.store.sqlite.backup_work_audit import contradiction_of_work
from workmill.store.sqlite.counters import EPOCH_BYTES, Books
from workmill.store.sqlite.database_file import foreign
from workmill.store.sqlite.mark import is_marked
from workmill.store.sqlite.schema import (
    APPLICATION_ID,
    BACKUP_ID,
    NOBODY,
    OPEN_ID,
    code_after,
    sql,
)
from workmill.store.sqlite.served_time import set_terms_on
from workmill.store.sqlite.session import Session
from workmill.telemetry import emit
from workmill.telemetry.log import Level

BACKUP_PAGES: Final = 1024


def backup(live: Path, file: Path) -> None:
    """See `Store.backup`. Raises StoreUnavailable when it fails; up to its renaming `file` is as
    it was."""
    partial = file.with_name(f"{file.name}.{os.getpid()}.partial")
    try:
        partial.unlink(missing_ok=True)
        with closing(apsw.Connection(str(partial))) as copy:
            _copy(live, copy)
            if problem := _damage(copy):
                raise StoreUnavailable(f"The backup is damaged: {problem}. It was thrown away.")
        backup_checksum.seal(partial)
        sync(partial)
        partial.replace(file)
    except (apsw.Error, OSError) as error:
        raise StoreUnavailable(
            f"The backup to {file} failed: {_why(error, file.parent)}. The service is not "
            "touched; make room or mend the path, and try again."
        ) from error
    finally:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
    _sync_folder(file)


def _sync_folder(file: Path) -> None:
    try:
        sync(file.parent)
    except OSError as error:
        raise StoreUnavailable(
            f"The backup {file} is whole and has its name, but whether that survives a power cut "
            f"is not known: {error}. Look at the disk, and take another one."
        ) from error


def _why(error: apsw.Error | OSError, folder: Path) -> str:
    system_errno = error.errno or 0 if isinstance(error, OSError) else 0
    return sqlite_errors.reason_of(error, system_errno, folder)


def _copy(live: Path, copy: apsw.Connection) -> None:
    flags = apsw.SQLITE_OPEN_READONLY
    with closing(apsw.Connection(str(live), flags=flags)) as source:
        source.execute("BEGIN; SELECT count(*) FROM books")
        with copy.backup("main", source, "main") as work:
            while not work.done:
                work.step(BACKUP_PAGES)
    copy.execute("PRAGMA journal_mode = DELETE").fetchall()
    copy.execute(f"PRAGMA application_id = {BACKUP_ID}").fetchall()


def _damage(connection: apsw.Connection) -> str | None:
    found = connection.execute("PRAGMA integrity_check(1)").get
    return None if found == "ok" else str(found)


_TABLES = ("jobs", "known", "names", "workers", "books")


class Restored(NamedTuple):
    """What to tell about a restore that was committed."""

    leap_ms: int
    """How far the clock has leapt since the backup."""
    sealed: bool

    def tell(self) -> None:
        """Say that another store is there now, and what is doubtful about it."""
        level: Level = "info" if self.sealed else "warning"
        emit("store.restored", level=level, checksum=self.sealed)
        clock_leaps.tell(self.leap_ms, when="since the backup was taken")


def restore(session: Session, file: Path) -> Restored:
    """See `Store.restore`. Runs inside the group's transaction, and leaves the index of work to be
    filled when that is committed."""
    connection, replaced = session.connection, session.books
    sealed = _check(file, _layout(connection))
    connection.execute("ATTACH ? AS backup", (str(file),))
    with ThreadPoolExecutor(1, thread_name_prefix="audit") as beside:
        work = beside.submit(contradiction_of_work, file)
        _fill(session, file)
        if problem := contradiction(session) or work.result():
            raise _refusal(file, problem)
    leap_ms = clock_leaps.note(session.books, session.now_ms, session.result_retention_ms)
    session.catch_up()
    _step_over(session, replaced)
    return Restored(leap_ms=leap_ms, sealed=sealed)


def _fill(session: Session, file: Path) -> None:
    """Everything from the attached backup in the place of everything here."""
    connection = session.connection
    try:
        for table in _TABLES:
            connection.execute(sql("DELETE FROM main.$table", table=table))
            text = "INSERT INTO main.$table SELECT * FROM backup.$table"
            connection.execute(sql(text, table=table))
        if not texts_are_possible(connection):
            raise _refusal(file, "has names or reasons that no store keeps")
        session.load()
    except (apsw.ConstraintError, TypeError, msgspec.DecodeError) as error:
        raise _refusal(file, f"does not hold what a store holds: {error}") from None


def close_statements(error: BaseException) -> None:
    """An error holds on to what was under way when it was raised; were a statement among it, the
    backup could not be let go of."""
    held: BaseException | None = error
    while held is not None:
        traceback.clear_frames(held.__traceback__)
        held = held.__context__


def let_go(session: Session) -> None:
    """Close the backup that a group has restored; inside the group SQLite would refuse."""
    if "backup" in [name for _, name, _ in session.connection.execute("PRAGMA database_list")]:
        session.connection.execute("DETACH backup")


_LAYOUT: Final = """
    SELECT s.type, s.name, c.name, c.type, c.hidden FROM main.sqlite_schema s
    LEFT JOIN pragma_table_xinfo(s.name, 'main') c ORDER BY s.name, c.cid"""


def _layout(connection: apsw.Connection) -> list[tuple[apsw.SQLiteValue, ...]]:
    """Every table, index, view and trigger of a file, with its columns."""
    return list(connection.execute(_LAYOUT))


def _check(file: Path, layout: list[tuple[apsw.SQLiteValue, ...]]) -> bool:
    """Whether the file has a seal. Raises InvalidInput unless it is whole and of our kind."""
    try:
        sealed = backup_checksum.is_sealed(file)
    except (OSError, ValueError) as error:
        raise _refusal(
            file, str(error) if isinstance(error, ValueError) else f"cannot be read: {error}"
        ) from None
    if not sealed and is_marked(file):
        raise _refusal(file, "was copied from a store that was open, without what its log had")
    wanted = (BACKUP_ID,) if sealed else (APPLICATION_ID, OPEN_ID)
    try:
        with closing(apsw.Connection(str(file), flags=apsw.SQLITE_OPEN_READONLY)) as copy:
            problem = _cut(copy) if not sealed else None
            problem = problem or foreign(copy, wanted)
            if problem is None and (damage := _damage(copy)):
                problem = f"is damaged: {damage}"
            if problem is None and _layout(copy) != layout:
                problem = "has other tables than a store has"
    except apsw.Error as error:
        problem = f"cannot be read: {error}"
    if problem:
        raise _refusal(file, problem)
    return sealed


def _cut(copy: apsw.Connection) -> str | None:
    """What is wrong with a file without a seal that was made with one."""
    if copy.execute("PRAGMA application_id").get == BACKUP_ID:
        return "was cut short or is damaged: its end, which is its checksum, is not there"
    return None


def _refusal(file: Path, problem: str) -> InvalidInput:
    return InvalidInput(f"{file} {problem}. Nothing was changed. Give a whole backup.")


def _step_over(session: Session, replaced: Books) -> None:
    """Queue the leases again, with tokens and numbers above all that were ever issued."""
    books = session.books
    top = max(books.highest_token, replaced.highest_token) + TOKEN_STEP
    session.connection.execute(
        sql("UPDATE jobs SET token = ? WHERE status IN ($queued, $leased, $attached)"), (top,)
    )
    session.connection.execute(
        sql(
            "UPDATE jobs SET status = ?, holder = ?, attempts = attempts - 1 WHERE status = $leased"
        ),
        (code_after(Status.LEASED, Verb.RELEASE), NOBODY),
    )
    books.move(Status.LEASED, Status.QUEUED, session.connection.changes())
    set_terms_on(session.connection, books.lag_ms - session.served.lag_ms)
    books.first_token = books.highest_token = top
    books.lead_holder, books.lead_until_ms = replaced.lead_holder, replaced.lead_until_ms
    books.lead_token = max(books.lead_token, replaced.lead_token)
    books.next_holder = max(books.next_holder, replaced.next_holder)
    books.epoch = os.urandom(EPOCH_BYTES)
