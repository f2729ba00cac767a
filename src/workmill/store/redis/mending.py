"""Putting back what somebody has removed by hand and what can be derived from the jobs.

A look with every purge (functions/mending.lua), which costs one call that writes nothing, and a
walk in slices when it finds that jobs are counted which nobody would come upon.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from workmill.telemetry import emit

SLICES: Final = 50
"""How many one call walks: half a second or so, after which others have their turn. The next purge
goes on, of whichever endpoint it is."""
_BEGUN: Final = 2


def mend(call: Callable[..., Any]) -> None:
    """Look, and put back a part of what is missing. `call` asks for one function of the store."""
    for _ in range(SLICES):
        stage, amiss, unfound = map(int, call("mend"))
        if stage == _BEGUN:
            emit("store.mending", level="error", amiss=amiss)
        if not stage:
            if amiss:
                emit("store.mended", level="warning", amiss=amiss, unfound=unfound)
            return
