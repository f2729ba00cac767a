"""Room on the disk: what is kept free for finishing what is there, and the reserve for worse.

Under `MIN_FREE_BYTES` nothing new is taken in. Somebody else may fill the disk to its last byte all
the same; then the reserve, a file that was given its blocks when there was room, is removed, so
that the store can be opened and results can be fetched.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from workmill.domain.errors import StoreFull
from workmill.store.sqlite.ownership import RESERVE_SUFFIX
from workmill.store.sqlite.sqlite_errors import free_bytes
from workmill.telemetry import emit

FULL_RETRY_SECONDS: Final = 10.0
MIN_FREE_BYTES: Final = 64 * 1024 * 1024
"""With less than this free on the disk nothing new is taken in, so that what is there can still be
computed, finished and delivered: a full log takes 16 MiB, a finished job some hundred bytes."""
RESERVE_BYTES: Final = 4 * 1024 * 1024
"""What opening a store and fetching its results takes while the log is kept at 1 MiB."""

LEAST_BYTES: Final = 256 * 1024
"""Less than this does not open a store."""


class Room:
    """The disk under one store."""

    def __init__(self, file: Path) -> None:
        self._directory = file.parent
        self._reserve = file.with_name(file.name + RESERVE_SUFFIX)
        self.short = False
        """Whether the reserve is gone: then the log is kept as short as can be."""

    def check(self) -> None:
        """Raise StoreFull when there is no room for new jobs and for the ends of the old ones."""
        free = free_bytes(self._directory)
        if free < MIN_FREE_BYTES:
            raise StoreFull(
                f"The disk under {self._directory} has {free // 2**20} MiB free, and the last "
                f"{MIN_FREE_BYTES // 2**20} MiB are kept for finishing what is there. Nothing was "
                "stored. Make room, or fetch results, and try again.",
                retry_after_seconds=FULL_RETRY_SECONDS,
            )

    def open_up(self) -> None:
        """Before the store is opened: make room for that when there is none."""
        if free_bytes(self._directory) < RESERVE_BYTES:
            self.release()

    def release(self) -> None:
        """The disk is full: give up the reserve, if it is still there."""
        self.short = True
        try:
            self._reserve.unlink()
        except OSError:
            return
        emit(
            "store.reserve_released",
            level="warning",
            directory=str(self._directory),
            bytes=RESERVE_BYTES,
        )

    def keep_reserve(self) -> None:
        """Have the reserve, when there is room for it and for what is kept free."""
        if self._held_bytes() >= RESERVE_BYTES:
            self.short = False
            return
        if free_bytes(self._directory) < MIN_FREE_BYTES + RESERVE_BYTES:
            self.short = True
            return
        self.short = not self._allocate(RESERVE_BYTES)

    def leave(self) -> None:
        """After the store was closed on a full disk: keep of its log's room what can be kept, for
        the next start."""
        size = RESERVE_BYTES
        while self.short and size >= LEAST_BYTES:
            self.short = not self._allocate(size)
            size //= 2

    def _held_bytes(self) -> int:
        try:
            return self._reserve.stat().st_size
        except OSError:
            return 0

    def _allocate(self, size: int) -> bool:
        try:
            self._take_blocks(size)
        except OSError:
            with suppress(OSError):
                self._reserve.unlink(missing_ok=True)
            return False
        return True

    def _take_blocks(self, size: int) -> None:
        descriptor = os.open(self._reserve, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            os.posix_fallocate(descriptor, 0, size)
        finally:
            os.close(descriptor)
