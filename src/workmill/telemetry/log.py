"""Structured log lines: one JSON object a line on standard error, words when it is a terminal.

Every line has `at` (RFC 3339, UTC), `level`, `event`, `role`, `incarnation` and the event's own
fields. An event is a dotted name, noun first: `node.lost`, `store.restored`, `worker.drained`.
"""

from __future__ import annotations

import os
import select
import sys
import uuid
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, Literal

import msgspec

from workmill.telemetry.log_output import keep_output_flowing
from workmill.telemetry.log_terminal import terminal_line
from workmill.telemetry.terminal_text import printable

Level = Literal["debug", "info", "warning", "error"]
Field = str | int | float | bool | None

MAX_LINE_BYTES: Final = select.PIPE_BUF - 1
"""A line of at most this, with its end, is never mixed up with those of other processes that write
to the same pipe. Fields of a longer one are cut."""
INCARNATION: Final = uuid.uuid4().hex[:12]
"""New at every process start: two lives of one process are never taken for each other."""

_about: dict[str, Field] = {"role": "workmill", "incarnation": INCARNATION, "pid": os.getpid()}
_encoder = msgspec.json.Encoder(enc_hook=str)


def describe(role: str) -> None:
    """Say once, at start, which role this process plays."""
    _about["role"] = role


def start_log(role: str) -> None:
    """`describe` for a process that serves: from now on no reader of its output, however slow, can
    hold it up (see `log_output`)."""
    describe(role)
    keep_output_flowing(_dropped)


def emit(event: str, *, level: Level = "info", **fields: Field) -> None:
    """Write one event. Never raises: a full disk under the log must not stop the work."""
    try:
        sys.stderr.buffer.write(_line(event, level, fields))
        sys.stderr.buffer.flush()
    except (OSError, ValueError, AttributeError):  # the last: a program has put its own there
        return


def _line(event: str, level: Level, fields: Mapping[str, Field]) -> bytes:
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    said = {"at": now, "level": level, "event": event, **_about, **fields}
    if sys.stderr.buffer.isatty():
        return terminal_line(said) + b"\n"
    line, longest = _encoded(said), MAX_LINE_BYTES
    while len(line) > MAX_LINE_BYTES and longest:
        longest //= 2
        line = _encoded({name: _cut(value, longest) for name, value in said.items()})
    return line + b"\n"


def _encoded(said: Mapping[str, Field]) -> bytes:
    """As JSON, which is UTF-8: a byte of a file's name that is not shows as `\\xff`."""
    try:
        return _encoder.encode(said)
    except UnicodeEncodeError:
        shown = {k: printable(v) if isinstance(v, str) else v for k, v in said.items()}
        return _encoder.encode(shown)


def _cut(value: Field, longest: int) -> Field:
    return f"{value[:longest]}…" if isinstance(value, str) and len(value) > longest else value


def _dropped(lines: int) -> bytes:
    """Lines that nobody took: the reader of the log was too slow, or was away."""
    return _line("log.dropped", "warning", {"lines": lines})
