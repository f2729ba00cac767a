"""What to do about each error that a Redis or Valkey replies with. One table, and nothing else
decides.

All of these words are said before a command is carried out, so nothing has been changed by it.
Any other word may come from the midst of a function.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Remedy(StrEnum):
    """What follows from a refusal."""

    REDISCOVER = "rediscover"
    """This server is not the primary, or not for us: look for the primary again."""
    WAIT = "wait"
    """It will pass: ask the same server again after a while."""
    PREPARE = "prepare"
    """The functions are not there: load them, then ask again."""
    FULL = "full"
    """No room for anything new until something has been taken away."""
    FAIL = "fail"
    """Trying again brings the same."""


_REMEDIES: Final = {
    "READONLY": Remedy.REDISCOVER,
    "MASTERDOWN": Remedy.REDISCOVER,
    "LOADING": Remedy.REDISCOVER,
    "MOVED": Remedy.REDISCOVER,
    "NOREPLICAS": Remedy.WAIT,
    "CLUSTERDOWN": Remedy.WAIT,
    "TRYAGAIN": Remedy.WAIT,
    "BUSY": Remedy.WAIT,
    "MISCONF": Remedy.WAIT,
    "OOM": Remedy.FULL,
}
_NO_FUNCTION: Final = "Function not found"


def remedy_for(code: str, text: str = "") -> Remedy:
    """The remedy for an error by its first word; `text` is the whole of it."""
    if _NO_FUNCTION in text:
        return Remedy.PREPARE
    return _REMEDIES.get(code, Remedy.FAIL)
