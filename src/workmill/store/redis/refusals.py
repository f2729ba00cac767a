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
    DAMAGED = "damaged"
    """This is not the store that was opened, or not as it was: a person decides."""
    CONTRADICTED = "contradicted"
    """Keys are missing, or are not what a function left there: a part of the store is damaged."""
    FAIL = "fail"
    """Trying again brings the same."""


OLDER: Final = "WMOLDER"
"""The word of our functions for an older copy of the store; by how many milliseconds follows."""
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
    "WMDAMAGED": Remedy.DAMAGED,
    OLDER: Remedy.DAMAGED,
}
_NO_RIGHT: Final = "this user may not do what the store's functions do: give it the right"
_MEANINGS: Final = {
    "NOPERM": _NO_RIGHT,
    "can't run this command": _NO_RIGHT,
    "ACL failure": _NO_RIGHT,
    "unknown command": "a command that the store needs is not there, or has another name",
}
"""What is in an error -> what it means."""
_CONTRADICTIONS: Final = ("attempt to", "bad argument", "WRONGTYPE", "data string too short")
"""What a function says that meets keys that are missing, or other than it left them."""
_NO_FUNCTION: Final = "Function not found"


def remedy_for(code: str, text: str = "") -> Remedy:
    """The remedy for an error by its first word; `text` is the whole of it."""
    if _NO_FUNCTION in text:
        return Remedy.PREPARE
    if any(mark in text for mark in _CONTRADICTIONS):
        return Remedy.CONTRADICTED
    return _REMEDIES.get(code, Remedy.FAIL)


def said_of(text: str) -> str:
    """An error without a remedy, in words: what kind of trouble it is, then what was said."""
    found = next((said for mark, said in _MEANINGS.items() if mark in text), None)
    return f"{found or 'a function of the store failed'}: {text.partition(' script: wm')[0]}"
