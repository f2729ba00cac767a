"""A caller's data as it travels: its bytes, or a source that is read as it is sent."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from workmill.client import arguments
from workmill.client.reading import Heard, Source, unheard
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
        return Source(data, heard)
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


def size_of(data: object) -> int | None:
    """How many bytes the data has, as far as can be told without reading it; None when it cannot.

    Never raises: what is wrong is told when the data is taken.
    """
    if isinstance(data, bytes):
        return len(data)
    if isinstance(data, os.PathLike):
        with suppress(OSError, ValueError, TypeError):
            seen = Path(data).stat()
            return seen.st_size if stat.S_ISREG(seen.st_mode) and seen.st_size else None
        return 0
    if hasattr(data, "read"):
        return None
    try:
        return memoryview(data).nbytes  # type: ignore[arg-type]
    except (TypeError, ValueError, BufferError):
        return 0
