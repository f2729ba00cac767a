"""Temporary files of an endpoint: beside its data, named for it, and cleared after a kill.

A copy of the store is as large as the store. It goes to the disk that was chosen for the data, not
to /tmp, which is often small or in memory; only an endpoint without a directory of its own uses the
system's temporary directory. Each folder is locked while it is used, so that the next start can
tell what a killed process has left from what another one is using.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Final

from workmill.domain.errors import Unavailable
from workmill.store.durable_files import NO_ROOM

PREFIX: Final = ".workmill-scratch-"


def scratch_root(directory: str) -> Path:
    """Where temporary files go: into the data's directory, if there is one."""
    return Path(directory if directory != "/" else tempfile.gettempdir())


@asynccontextmanager
async def scratch_folder(directory: str) -> AsyncIterator[Path]:
    """A folder that is gone afterwards. Raises Unavailable, with its place, when the disk there is
    full or cannot be written to. Nothing of it is done on the event loop: to remove a copy as large
    as the store takes seconds, and a disk may hang."""
    root = scratch_root(directory)
    with naming_the_folder(root):
        made = await _made(root)
    try:
        with naming_the_folder(root):
            yield made[0]
    finally:
        await asyncio.to_thread(_remove, made)  # it goes on when we are cancelled meanwhile


async def _made(root: Path) -> tuple[Path, int]:
    """A new folder and its lock; whoever is cancelled before it is there leaves none behind."""
    making = asyncio.ensure_future(asyncio.to_thread(_locked_folder, root))
    try:
        return await asyncio.shield(making)
    except asyncio.CancelledError:
        making.add_done_callback(_forget)
        raise


def _forget(making: asyncio.Future[tuple[Path, int]]) -> None:
    if not making.cancelled() and making.exception() is None:
        making.get_loop().run_in_executor(None, _remove, making.result())


def _remove(made: tuple[Path, int]) -> None:
    folder, lock = made
    shutil.rmtree(folder, ignore_errors=True)
    os.close(lock)


def _locked_folder(root: Path) -> tuple[Path, int]:
    """A new folder and its lock; another one when a `clear_scratch` was faster than the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX, dir=root))
        with suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            with suppress(OSError):  # a file system without locks: nobody clears there either
                fcntl.flock(lock, fcntl.LOCK_EX)
            if folder.exists():
                return folder, lock
            os.close(lock)


def check_room(folder: Path, wanted_bytes: int) -> None:
    """Raise OSError, as a write would, when so much cannot be written there."""
    disk = os.statvfs(folder)
    if disk.f_bavail * disk.f_frsize < wanted_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def clear_scratch(directory: str) -> None:
    """Remove what killed endpoints have left."""
    with suppress(OSError):
        for folder in scratch_root(directory).glob(PREFIX + "*"):
            _clear_one(folder)


def _clear_one(folder: Path) -> None:
    try:
        lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder, ignore_errors=True)
    except OSError:
        return
    finally:
        os.close(lock)


@contextmanager
def naming_the_folder(root: Path) -> Iterator[None]:
    """Errors of the disk under `root`, said so that a person knows where to look."""
    try:
        yield
    except OSError as error:
        what = "is full" if error.errno in NO_ROOM else f"cannot be used ({error.strerror})"
        raise Unavailable(
            f"The disk under {root} {what}, where temporary copies of the store are kept. Nothing "
            "was changed. Make room there, and try again."
        ) from error
