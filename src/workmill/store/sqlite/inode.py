"""Which file a name leads to, asked without touching the file's times.

Since Linux 6.13 a look at a file's time of change makes the next write note a finer one, and a
noted time is metadata that the next `fdatasync` must write as well (multigrain timestamps:
Documentation/filesystems/multigrain-ts.rst of the kernel). A look after every commit with
`os.stat` cost each commit a fifth of its time. `statx(2)` can ask for the inode alone.
"""

from __future__ import annotations

import ctypes
import os
from typing import Final

_AT_FDCWD: Final = -100
_STATX_INO: Final = 0x100
_BYTES: Final = 256
"""Of `struct statx`, today and as it is reserved."""


class _Statx(ctypes.Structure):
    """The beginning of `struct statx` in linux/stat.h, as far as it is read here."""

    _fields_ = (
        ("before", ctypes.c_uint8 * 32),
        ("inode", ctypes.c_uint64),
        ("between", ctypes.c_uint8 * 96),
        ("device_major", ctypes.c_uint32),
        ("device_minor", ctypes.c_uint32),
        ("after", ctypes.c_uint8 * (_BYTES - 144)),
    )


def _find_statx() -> ctypes._NamedFuncPointer | None:
    """None where the C library has none (glibc before 2.28, musl before 1.2.3, not Linux)."""
    statx = getattr(ctypes.CDLL(None, use_errno=True), "statx", None)
    if statx is not None:
        statx.argtypes = (
            *(ctypes.c_int, ctypes.c_char_p, ctypes.c_int, ctypes.c_uint),
            ctypes.POINTER(_Statx),
        )
    return statx


_statx = _find_statx()


def inode_of(path: str) -> tuple[int, int] | None:
    """Device and inode; None where the name leads nowhere. Raises OSError when that cannot be
    told."""
    try:
        return _asked(path)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _asked(path: str) -> tuple[int, int]:
    if _statx is None:
        found = os.stat(path)  # noqa: PTH116 - a Path would only be taken apart again
        return found.st_dev, found.st_ino
    answer = _Statx()
    if _statx(_AT_FDCWD, os.fsencode(path), 0, _STATX_INO, ctypes.byref(answer)):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), path)
    return os.makedev(answer.device_major, answer.device_minor), answer.inode
