"""A file that appears under its name only when it is whole and on stable storage.

What arrives is written to a hidden file beside the target, which is renamed at the end. Each
download has one of its own, locked for as long as its process lives; so those that a killed
process left are told from those in use, and the next download into that folder removes them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from workmill.domain.errors import InvalidInput

PREFIX: Final = ".workmill-"
SUFFIX: Final = ".part"
DATABASE: Final = "jobs.db"
DATA_LOCK: Final = "owner.lock"
"""What a data directory of a service holds: a copy must never take the place of its database."""


def look_at(target: Path) -> Path:
    """Where a download to `target` goes, symbolic links followed, after trying to write there.

    Raises InvalidInput for a place that no file can be put at, and OSError, which names it, where
    this user may not.
    """
    with _naming(target):
        place = Path(os.path.realpath(target))
        folder = place.parent
        if problem := _problem(target, place):
            raise InvalidInput(f"{target} {problem}. Nothing was written. Name another file.")
        if not folder.is_dir():
            raise InvalidInput(f"There is no folder {folder}. Nothing was written. Make it first.")
        _clear(folder)
        tried, name = tempfile.mkstemp(dir=folder, prefix=PREFIX, suffix=SUFFIX)
        os.close(tried)
        Path(name).unlink()
    return place


def _problem(target: Path, place: Path) -> str | None:
    """Why no file can be put there, as the end of a sentence."""
    if target.exists() and not (target.is_file() or target.is_dir()):
        return "is no regular file, and a download is renamed to its place when it is whole"
    if place.is_dir():
        return "is a folder"
    of_store = place.name.startswith(DATABASE) or place.name == DATA_LOCK
    if of_store and (place.parent / DATA_LOCK).exists():
        return "belongs to the store of a service"
    return None


class Download:
    """Write beside the target, sync, and rename when all went well. Raises what `look_at` does."""

    def __init__(self, target: Path) -> None:
        self._target = look_at(target)
        self._turn = threading.Lock()
        self._over = False
        self.size_bytes = 0

    def __enter__(self) -> Self:
        folder = self._target.parent
        with _naming(folder):
            self._fd, self._part = _own_part(folder)
            if self._target.exists():
                os.fchmod(self._fd, stat.S_IMODE(self._target.stat().st_mode))
        return self

    def write(self, chunk: bytes) -> None:
        """Append a chunk. Raises OSError with the folder's name. In a thread that is late, when
        whoever began it has left, it does nothing: the descriptor may be somebody else's by now."""
        with self._turn, _naming(self._target.parent):
            left = memoryview(b"" if self._over else chunk)
            while left:
                left = left[os.write(self._fd, left) :]
        self.size_bytes += len(chunk)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        folder = self._target.parent
        try:
            if kind is None:
                with _naming(folder):
                    os.fsync(self._fd)
                    self._part.replace(self._target)
                    _sync_folder(folder)
        finally:
            with suppress(FileNotFoundError):
                self._part.unlink()
            with self._turn:
                self._over = True
                os.close(self._fd)


@contextmanager
def _naming(folder: Path) -> Iterator[None]:
    """OSErrors name this folder: those of a descriptor name nothing, and a part says nothing."""
    try:
        yield
    except OSError as error:
        number = error.errno or errno.EIO
        raise OSError(number, os.strerror(number), str(folder)) from None


def _own_part(folder: Path) -> tuple[int, Path]:
    """A new file, open and locked; another one when a `_clear` was faster than the lock."""
    while True:
        fd, name = tempfile.mkstemp(dir=folder, prefix=PREFIX, suffix=SUFFIX)
        with suppress(OSError):  # a file system without locks: nobody clears there either
            fcntl.flock(fd, fcntl.LOCK_EX)
        with suppress(FileNotFoundError):
            if Path(name).stat().st_ino == os.fstat(fd).st_ino:
                return fd, Path(name)
        os.close(fd)


def _clear(folder: Path) -> None:
    """Remove what killed downloads left. Nobody locks those; whoever cannot be asked is let be."""
    for part in folder.glob(f"{PREFIX}*{SUFFIX}"):
        with suppress(OSError):
            fd = os.open(part, os.O_RDWR | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                part.unlink()
            finally:
                os.close(fd)


def _sync_folder(folder: Path) -> None:
    """The new name is on stable storage, too, where the file system can do that for a folder."""
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
    finally:
        os.close(fd)
