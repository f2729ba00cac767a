"""What to do about each error that a Redis or Valkey replies with. One table, and nothing else
decides.

All of these words are said before a command is carried out, so nothing has been changed by it.
Any other word may come from the midst of a function.
"""

from __future__ import annotations

import re
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
    RESTORED = "restored"
    """The caller does not know yet of a restore: it is told, and asks again."""
    CONTRADICTED = "contradicted"
    """Keys are missing, or are not what a function left there: a part of the store is damaged."""
    FAIL = "fail"
    """Trying again brings the same."""


OLDER: Final = "WMOLDER"
"""The word of our functions for an older copy of the store; by how many milliseconds follows."""
RESTORED: Final = "WMRESTORED"
"""The word of our functions for a restore that the caller has not heard of; which one follows."""
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
    RESTORED: Remedy.RESTORED,
}
_MAY_NOT_RUN: Final = re.compile(r"NOPERM .* run the '([\w|]+)' command")
_MEANINGS: Final = {
    "NOPERM": "user {user} may not use the store's keys. Give the right: ACL SETUSER {user} "
    "~{key}*",
    "can't run this command": "user {user} may not do what the store's functions do. Give the "
    "right: ACL SETUSER {user} +@read +@write",
    "ACL failure": "user {user} may not do what the store's functions do. Give the right: ACL "
    "SETUSER {user} +@read +@write",
    "unknown command": "a command that the store needs is not there, or has another name",
    "WRONGPASS": "user {user} is not there, is off, or has another password. Look at ACL GETUSER "
    "{user}, and at the password in the address or in its file",
    "NOAUTH": "it wants a user and a password. Write them into the address",
    "DENIED": "it is in protected mode and takes no one from another machine. Give it a password",
    "NOREPLICAS": "it has fewer replicas than min-replicas-to-write. Bring them back",
    "MISCONF": "it could not save its data, and takes no changes. Look at its disk and its log",
    "BUSY": "a script or function has run on it for long. SCRIPT KILL or FUNCTION KILL ends it",
    "LOADING": "it has been started and is reading its data",
    "max number of clients": "it takes no more connections. Raise maxclients, or see in CLIENT "
    "LIST who holds them",
}
"""What is in an error -> what it means, and what a person does."""
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


def said_of(text: str, user: str, key: str) -> str:
    """An error without a remedy, in words: what kind of trouble it is, then what was said."""
    return _explained(text, user, key) or f"a function of the store failed: {_spoken(text)}"


def explained(text: str, user: str, key: str) -> str:
    """An error with what it means for this `user` of the store under this `key`, where that is
    known: a server that is there and refuses is not one that is away."""
    return _explained(text, user, key) or text


def _explained(text: str, user: str, key: str) -> str | None:
    if (command := _MAY_NOT_RUN.search(text)) is not None:
        right = f"+{command[1]}"
        said = f"user {user} may not run {command[1]}. Give the right: ACL SETUSER {user} {right}"
        return f"{said} ({_spoken(text)})"
    found = next((said for mark, said in _MEANINGS.items() if mark in text), None)
    return found and f"{found.format(user=user, key=key)} ({_spoken(text)})"


def _spoken(text: str) -> str:
    return text.partition(" script: wm")[0]
