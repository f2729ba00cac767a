"""How an event looks to a person at a terminal; everything else reads JSON."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Final

from workmill.telemetry.terminal_text import BOLD_RED, CYAN, FAINT, YELLOW, coloured, printable

_COLOURS: Final = {"debug": FAINT, "info": CYAN, "warning": YELLOW, "error": BOLD_RED}
_SHOWN_APART: Final = frozenset({"at", "level", "event", "role", "incarnation", "pid"})


def terminal_line(event: Mapping[str, object]) -> bytes:
    """`03:12:23 worker 3247  worker.drained  handed_back=0 seconds=0.9`, the event in colour.

    Control characters in a field are shown escaped: a log line cannot move the cursor. Whether
    there is colour at all, `terminal_text` decides.
    """
    fields = " ".join(
        f"{name}={printable(str(value))}"
        for name, value in event.items()
        if name not in _SHOWN_APART
    )
    clock = str(event["at"])[11:19]
    who = coloured(f"{clock} {event['role']} {event['pid']}".ljust(25), FAINT, sys.stderr)
    what = coloured(str(event["event"]), _COLOURS.get(str(event["level"]), ""), sys.stderr)
    return f"{who} {what} {fields}".encode(errors="replace")
