"""Where the demo's own service keeps its jobs: a folder that goes with it, however it ends.

It is removed at the end. A demo that was killed leaves it; the next one removes it then. The folder
is locked, and the service holds that lock, too: what a living service uses is never removed.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, NamedTuple

PREFIX: Final = "workmill-demo-"
_FOLDER: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class Scratch(NamedTuple):
    """The folder, and the descriptor that a process which uses it inherits as its lock."""

    folder: Path
    lock: int


@contextmanager
def scratch() -> Iterator[Scratch]:
    """A new folder for as long as a `with` block lasts. Raises OSError when none can be made."""
    _clear(Path(tempfile.gettempdir()))
    own = _locked_folder()
    try:
        yield own
    finally:
        os.close(own.lock)
        shutil.rmtree(own.folder, ignore_errors=True)


def _locked_folder() -> Scratch:
    """A new folder and its lock; another one when a `_clear` was faster than the lock."""
    while True:
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with suppress(FileNotFoundError):
            lock = os.open(folder, _FOLDER)
            fcntl.flock(lock, fcntl.LOCK_SH)
            if folder.exists():
                return Scratch(folder, lock)
            os.close(lock)


def _clear(place: Path) -> None:
    """Remove what this user's killed demos left, and nothing that is in use or not ours."""
    for folder in place.glob(f"{PREFIX}*"):
        with suppress(OSError):
            lock = os.open(folder, _FOLDER)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if os.fstat(lock).st_uid == os.getuid():
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)
