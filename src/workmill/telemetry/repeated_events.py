"""What a loop meets at every turn is written down once a minute, with how often it was met."""

from __future__ import annotations

import threading
import time
from typing import Final

from workmill.telemetry.log import Field, Level, emit

QUIET_SECONDS: Final = 60.0
MAX_REMEMBERED: Final = 256
"""Different lines; with more, all are forgotten and may be written again."""

_lock = threading.Lock()
_lately: dict[tuple[object, ...], tuple[float, int]] = {}


def emit_rarely(event: str, *, level: Level = "info", **fields: Field) -> None:
    """`emit`, unless the very same was written within `QUIET_SECONDS`; `unwritten` is how often it
    was met since then. Never raises."""
    key, now = (event, *sorted(fields.items(), key=lambda pair: pair[0])), time.monotonic()
    with _lock:
        written_at, unwritten = _lately.get(key, (float("-inf"), 0))
        if now - written_at < QUIET_SECONDS:
            _lately[key] = (written_at, unwritten + 1)
            return
        if len(_lately) >= MAX_REMEMBERED:
            _lately.clear()
        _lately[key] = (now, 0)
    if unwritten:
        emit(event, level=level, **fields, unwritten=unwritten)
    else:
        emit(event, level=level, **fields)
