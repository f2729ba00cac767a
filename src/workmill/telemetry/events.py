"""Structured log lines: one JSON object a line on standard error, words when it is a terminal.

Every line has `at` (RFC 3339, UTC), `level`, `event`, `role`, `incarnation` and the event's own
fields. An event is a dotted name, noun first: `job.buried`, `store.restored`, `worker.drained`.
"""

from __future__ import annotations

import os
import sys
import uuid
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from workmill.telemetry.terminal import terminal_line

Level = Literal["debug", "info", "warning", "error"]
Field = str | int | float | bool | None

INCARNATION: Final = uuid.uuid4().hex[:12]
"""New at every process start: two lives of one process are never taken for each other."""

_about: dict[str, Field] = {"role": "workmill", "incarnation": INCARNATION, "pid": os.getpid()}
_encoder = msgspec.json.Encoder(enc_hook=str)


def describe(role: str) -> None:
    """Say once, at start, which role this process plays."""
    _about["role"] = role


def emit(event: str, *, level: Level = "info", **fields: Field) -> None:
    """Write one event. Never raises: a full disk under the log must not stop the work."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"at": now, "level": level, "event": event, **_about, **fields}
    try:
        line = terminal_line(said) if sys.stderr.buffer.isatty() else _encoder.encode(said)
        sys.stderr.buffer.write(line + b"\n")
        sys.stderr.buffer.flush()
    except (OSError, ValueError):
        return
