"""Who owns a store's directory, and whether its files are still the ones that were opened.

Theory. The lock is on the directory itself, held by a descriptor that stays open: there is no
name that could be removed under it, and every way to the directory (a symlink, a bind mount)
leads to the same lock. It is not on the database file, because closing any descriptor of that
file drops all POSIX locks that the process has on it, SQLite's included. `owner.lock` says who the
owner is, and keeps out a Workmill from before the directory was locked. Its second line says that
there has been a store, so that one whose files were all removed is missed at the next start.

A change is acknowledged only into a file that a later start will find. So after each commit that
wrote, the names of the database and of its log are looked up again: both must lead to the files
that are open. Nobody but our own checkpoints writes into the database, so its size and time of
change tell of a file that was copied over it, which keeps the inode.
"""

from __future__ import annotations

import fcntl
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from workmill.domain.errors import StoreUnavailable
from workmill.store.sqlite.inode import inode_of

FILE_NAME: Final = "jobs.db"
LOG_SUFFIX: Final = "-wal"
RESERVE_SUFFIX: Final = "-reserve"
LOCK_NAME: Final = "owner.lock"
_FOUNDED: Final = "founded"


def home_of(directory: Path) -> Path:
    """Where the files of this store really are: a database that is a symlink is followed, for
    SQLite keeps the log beside the file that it leads to. Raises StoreUnavailable when that has
    another name, under which it would not be found."""
    file = (directory / FILE_NAME).resolve()
    if file.name != FILE_NAME:
        raise StoreUnavailable(
            f"{directory / FILE_NAME} leads to {file}, and a store is named {FILE_NAME}. Nothing "
            f"was changed. Give the file that name, with its log ({FILE_NAME}{LOG_SUFFIX}), and "
            "let the link lead there."
        )
    return file.parent


class Ownership:
    """The one owner of a store's directory, until `end`."""

    def __init__(self, directory: Path) -> None:
        """Raises StoreUnavailable when another process owns it, or when it cannot be used."""
        try:
            self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _unusable(directory, error) from None
        self._note = -1
        self._founded = False
        try:
            self._take(directory)
        except BaseException:
            self.end()
            raise

    def _take(self, directory: Path) -> None:
        path = directory / LOCK_NAME
        if not _locked(self._directory, directory):
            raise _owned(directory, _written_in(path))
        try:
            self._note = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            if not stat.S_ISREG(os.fstat(self._note).st_mode):
                raise _no_file(path)
            if not _locked(self._note, directory):
                raise _owned(directory, _written_in(path))
            self._founded = _FOUNDED in _lines_of(path)[1:]
            self._write_note()
        except OSError as error:
            # A disk without a free byte takes no pid; the lock is on the directory.
            if self._note < 0:
                raise _unusable(directory, error) from None

    @property
    def founded(self) -> bool:
        """Whether a store has been opened in this directory since its note was made."""
        return self._founded

    def note_founded(self) -> None:
        """The store is open: from now on its files are missed when they are not there."""
        if not self._founded:
            self._founded = True
            with suppress(OSError):  # a full disk: the next start notes it
                self._write_note()

    def _write_note(self) -> None:
        note = f"{os.getpid()}\n{_FOUNDED if self._founded else ''}\n".encode()
        os.pwrite(self._note, note, 0)  # in its place: a full disk takes nothing away
        os.ftruncate(self._note, len(note))

    def end(self) -> None:
        """Let the directory go."""
        for descriptor in (self._note, self._directory):
            if descriptor >= 0:
                os.close(descriptor)
        self._note = self._directory = -1


def make_directory(directory: Path) -> None:
    """Make the directory if it is not there. Raises StoreUnavailable when that cannot be."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(directory, error) from None


def check_files(file: Path, *, founded: bool) -> None:
    """Look at what lies there before SQLite does. Raises StoreUnavailable for a database with
    several names, whose second owner no lock would keep out, and for one that is gone though it was
    `founded` or its rest is there: beginning anew would hide the loss. One without a byte is
    gone, too: SQLite would even delete its log."""
    try:
        found_now = file.stat()
    except FileNotFoundError:
        left = [file.with_name(file.name + end) for end in (LOG_SUFFIX, RESERVE_SUFFIX)]
        found = [path.name for path in left if path.exists()]
        if found or founded:
            found += [LOCK_NAME] if founded else []
            raise StoreUnavailable(
                f"{file} is not there, but what belongs to it is ({', '.join(found)}): a store "
                "was here. Nothing was changed. Put the file back; or, to begin with an empty "
                f"store, remove {', '.join(found)} too."
            ) from None
        return
    except OSError as error:
        raise _unusable(file.parent, error) from None
    if not stat.S_ISREG(found_now.st_mode):
        raise _no_file(file)
    if founded and found_now.st_size == 0:
        raise StoreUnavailable(
            f"{file} is empty, and a store was here. Nothing was changed. Put the file back; or, "
            f"to begin with an empty store, remove it and {LOCK_NAME}."
        )
    if found_now.st_nlink > 1:
        raise StoreUnavailable(
            f"{file} has {found_now.st_nlink} names (hard links), and two services could write to "
            "it at once. Nothing was changed. Remove the other names, or copy the file instead of "
            "linking it."
        )


def remove_unborn(file: Path) -> None:
    """Take away a database that could not be made: it has no byte, and would look like a store."""
    with suppress(OSError):
        if file.stat().st_size == 0:
            file.unlink()


_Seen = tuple[int, int, int, int]
"""Device, inode, size in bytes, time of change in nanoseconds."""


def _seen(path: str) -> _Seen | None:
    """None where the name leads nowhere. Raises OSError when that cannot be told."""
    try:
        found = os.stat(path)  # noqa: PTH116 - with every group, and a Path costs twice as much
    except (FileNotFoundError, NotADirectoryError):
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


class OpenFiles:
    """The database and its log as they were when SQLite had opened them."""

    def __init__(self, file: Path) -> None:
        self._file = str(file)
        self._log = str(file.with_name(file.name + LOG_SUFFIX))
        self._file_seen = _seen(self._file)
        self._log_inode = inode_of(self._log)
        self.overwritten = False
        """Whether the file under our name is the open one with other bytes in it."""

    def note_own_write(self) -> None:
        """A checkpoint has written into the database."""
        self._file_seen = _seen(self._file)

    def problem(self) -> str | None:
        """What became of the files, None while they are the ones that are open."""
        try:
            file, log = _seen(self._file), inode_of(self._log)
        except OSError:
            return None  # what cannot be looked at is not known to be gone
        if file is None:
            return f"{self._file} was removed or moved away"
        if self._file_seen is None or file[:2] != self._file_seen[:2]:
            return f"{self._file} was replaced by another file"
        if file != self._file_seen:
            self.overwritten = True
            return f"{self._file} was written to by somebody else"
        if log is None:
            return f"{self._log} was removed"
        if log != self._log_inode:
            return f"{self._log} was replaced by another file"
        return None

    def put_log_aside(self) -> Path | None:
        """Rename the log, after closing, so that it is not played into a file it does not belong
        to; where it is now."""
        log = Path(self._log)
        for number in range(1, 100):
            aside = log.with_name(f"{log.name}.aside-{number}")
            if not aside.exists() and log.exists():
                log.rename(aside)
                return aside
        return None


def _locked(descriptor: int, directory: Path) -> bool:
    """False when somebody else has the lock. Raises StoreUnavailable where there are none, as on
    many network file systems."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError as error:
        raise StoreUnavailable(
            f"{directory} cannot be locked ({error.strerror}), so two services could write there "
            "at once. Nothing was changed. Choose a directory on a disk of this machine with "
            "--data."
        ) from None
    return True


def _written_in(path: Path) -> str:
    return _lines_of(path)[0] or "unknown"


def _lines_of(path: Path) -> list[str]:
    """At least one; empty where nothing can be read."""
    try:
        return path.read_text(encoding="ascii").strip().split("\n")
    except (OSError, UnicodeDecodeError):
        return [""]


def _owned(directory: Path, owner: str) -> StoreUnavailable:
    return StoreUnavailable(
        f"Another process (pid {owner}) owns the store in {directory}. Nothing was changed. "
        "Stop that one first, or choose another directory."
    )


def _no_file(path: Path) -> StoreUnavailable:
    """A pipe in its place would be waited on for ever."""
    return StoreUnavailable(
        f"{path} is no ordinary file. Nothing was changed. Put the store's file back, or choose "
        "another directory with --data."
    )


def _unusable(directory: Path, error: OSError) -> StoreUnavailable:
    return StoreUnavailable(
        f"{directory} cannot hold a store: {error.strerror}. Nothing was changed. Make room or "
        "give this user the right to write there, or choose another directory with --data."
    )
