"""A caller's data as it travels: its bytes, or a source that is read as it is sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workmill.client import arguments
from workmill.client.upload import Heard, Source, unheard
from workmill.domain.errors import InvalidInput


def payload(data: object, heard: Heard = unheard) -> bytes | Source:
    """The bytes themselves, copied where they could change, or the file or stream they come from.

    Raises InvalidInput for what holds no bytes: text is not encoded, numbers are not made into
    zeros, and lists are not joined by guess.
    """
    if heard is not unheard and not isinstance(heard, Callable):  # type: ignore[arg-type]
        raise InvalidInput(f"heard is a function, not {arguments.kind(heard)}. Nothing was sent.")
    if isinstance(data, bytes):
        return data
    if isinstance(data, str):
        raise InvalidInput(
            "Data is bytes, and this is text. Send text.encode() for the text itself, or "
            "Path(text) for the file of that name. Nothing was sent."
        )
    if isinstance(data, os.PathLike):
        return Source(arguments.path(data), heard)
    if hasattr(data, "read"):
        view = _view_of(data)
        return Source(data if view is None else _Pieces(view), heard)
    return _bytes_of(data)


def _bytes_of(data: object) -> bytes:
    try:
        view = memoryview(data)  # type: ignore[arg-type]
        if "O" not in view.format:  # addresses of objects, not what they hold
            return view.tobytes()
    except (TypeError, ValueError, BufferError, NotImplementedError):
        pass
    raise InvalidInput(
        f"Data is bytes, or the path of a file that holds them, not {arguments.kind(data)}. "
        "Nothing was sent."
    )


def _view_of(data: object) -> memoryview | None:
    """All the bytes of what can be read as well, as a mapped file can: wherever it stands, and not
    what is left of it."""
    try:
        return memoryview(data).cast("B")  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        return None


class _Pieces:
    """Bytes in memory as a stream, which are not copied at once."""

    def __init__(self, view: memoryview) -> None:
        self._rest = view

    def read(self, size: int, /) -> bytes:
        """The next piece."""
        piece, self._rest = bytes(self._rest[:size]), self._rest[size:]
        return piece


def size_of(data: object) -> int | None:
    """How many bytes the data has, as far as can be told without reading it; None when it cannot.

    Never raises: what is wrong is told when the data is taken.
    """
    if isinstance(data, bytes):
        return len(data)
    if isinstance(data, os.PathLike):
        with suppress(Exception):
            seen = Path(data).stat()
            return seen.st_size if stat.S_ISREG(seen.st_mode) and seen.st_size else None
        return 0
    try:
        if hasattr(data, "read"):
            return None
        return memoryview(data).nbytes  # type: ignore[arg-type]
    except Exception:  # noqa: BLE001  whatever the data's own code raises
        return 0
