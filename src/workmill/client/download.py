"""A file that appears under its name only when it is whole and on stable storage."""

from __future__ import annotations

import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Download:
    """Write to `NAME.part` beside the target, sync it, and rename it when all went well."""

    def __init__(self, target: Path) -> None:
        self._target = target
        self._part = target.with_name(target.name + ".part")

    def __enter__(self) -> Self:
        self._file = self._part.open("wb")
        return self

    def write(self, chunk: bytes) -> None:
        """Append a chunk."""
        self._file.write(chunk)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._file:
            if kind is None:
                self._file.flush()
                os.fsync(self._file.fileno())
        if kind is None:
            self._part.replace(self._target)
        else:
            self._part.unlink()
