"""How an event looks to a person at a terminal; everything else reads JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_COLOURS: Final = {"debug": "2", "info": "36", "warning": "33", "error": "31;1"}
"""ANSI colours (ECMA-48, SGR) by level."""
_SHOWN_APART: Final = frozenset({"at", "level", "event", "role", "incarnation", "pid"})


def terminal_line(event: Mapping[str, object]) -> bytes:
    """`03:12:23 worker 3247  worker.drained  handed_back=0 seconds=0.9`, the event in colour.

    Control characters in a field are shown escaped: a log line cannot move the cursor.
    """
    fields = " ".join(
        f"{name}={_shown(value)}" for name, value in event.items() if name not in _SHOWN_APART
    )
    clock = str(event["at"])[11:19]
    colour = _COLOURS.get(str(event["level"]), "0")
    who = f"{event['role']} {event['pid']}"
    return (
        f"\x1b[2m{clock} {who:<16}\x1b[0m \x1b[{colour}m{event['event']}\x1b[0m {fields}".encode()
    )


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() else repr(text)
