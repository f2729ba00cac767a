"""The Lua functions of this store: put together from their parts, loaded once into each server.

Redis keeps one library under one name, and persists and replicates it like data. So the name
carries the layout of the keys and a digest of the code. An endpoint loads what it was built with
if it is absent and never replaces another's: old and new endpoints work side by side while they
are upgraded. Libraries left behind cost some kilobytes each; a person may delete them.

What Python decides already is not written again in Lua: the lifecycle table, the limits and the
words of a buried job are put at the library's head as constants.
"""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Final

from workmill.domain import limits, retry
from workmill.domain.job import KEY_BYTES
from workmill.domain.lifecycle import FINISHED, TABLE, Status, Verb
from workmill.store.redis.connection import Connection, Refused
from workmill.store.redis.record_codec import CODES
from workmill.store.retention import KNOWN_OVERHEAD_BYTES

LAYOUT: Final = 1
"""Raised when the keys change so that older functions could not work on them."""

COMMANDS: Final = (
    *("del", "exists", "get", "getrange", "mget", "mset", "pexpire", "scan", "set", "setrange"),
    *("hdel", "hget", "hgetall", "hincrby", "hmget", "hset", "lpop", "lrange", "rpush", "time"),
    *("unlink", "zadd", "zcard", "zpopmax", "zpopmin", "zrange", "zrangebyscore", "zrem"),
    *("zremrangebyrank", "zrevrange", "zrevrangebyscore", "zscore"),
)
"""What the functions call. A test compares this with them, for whoever may not run all of these is
refused before anything is written."""
_SHARED: Final = (
    *("keys", "records", "session", "jobs", "known_results", "work_index", "queue"),
    *("results", "submit", "complete_fail"),
)
_LEAVES: Final = (
    *("lease", "renew_release", "cancel", "queries", "purge", "nodes", "leadership"),
    *("endpoint_open", "backup", "shards", "queue_profile", "unplaced"),
)
"""What these define nobody else needs; a chunk of Lua may have 200 names, so they get blocks."""
_DIGITS: Final = 8
_NUMBER: Final = 1_234_567
"""Stands where a number goes while a sentence becomes a format."""


@cache
def code() -> str:
    """The library without its first line, which names it."""
    folder = Path(__file__).with_name("functions")
    shared = [(folder / f"{part}.lua").read_text() for part in _SHARED]
    leaves = [f"do\n{(folder / f'{part}.lua').read_text()}end" for part in _LEAVES]
    return "\n".join([_constants(), *shared, *leaves])


def _constants() -> str:
    buried = retry.buried_reason(_NUMBER, "%s").replace(str(_NUMBER), "%d")
    numbers = {
        "LAYOUT": LAYOUT,
        "MAX_ATTEMPTS": retry.MAX_ATTEMPTS,
        "SUSPECT_ATTEMPTS": retry.SUSPECT_ATTEMPTS,
        "MAX_REASON_CHARACTERS": limits.MAX_REASON_CHARACTERS,
        "GRACE_MS": round(limits.LEASE_SECONDS * 1000),
        "KNOWN_EXTRA_BYTES": KEY_BYTES + KNOWN_OVERHEAD_BYTES,
        "NODE_MS": round(limits.NODE_SECONDS * 1000),
        "MAX_NODES": limits.MAX_NODES,
        **{status.name: number for status, number in CODES.items()},
    }
    lines = [f"local {name} = {number}" for name, number in numbers.items()]
    lines.append(f"local COMMANDS = {{{', '.join(map(repr, COMMANDS))}}}")
    lines += [f"local BURIED = {buried!r}", f"local LOST = {retry.lost_lease('%s')!r}"]
    finished = ", ".join(f"[{CODES[status]}] = true" for status in sorted(FINISHED))
    counted = ", ".join(f"'j{code}'" for code in CODES.values())
    lines += [f"local FINISHED = {{{finished}}}", f"local COUNTED = {{{counted}}}"]
    return "\n".join([*lines, *(f"local AFTER_{verb.name} = {_after(verb)}" for verb in Verb)])


def _after(verb: Verb) -> str:
    """One column of the lifecycle table: status -> the status that follows."""
    steps = [(CODES[s], CODES[TABLE[s, verb]]) for s in Status if (s, verb) in TABLE]
    return "{" + ", ".join(f"[{start}] = {end}" for start, end in steps) + "}"


@cache
def name() -> str:
    """What this library is called: the layout of its keys and a digest of its code."""
    return f"wm{LAYOUT}_{hashlib.sha256(code().encode()).hexdigest()[:_DIGITS]}"


def function(verb: str) -> str:
    """The full name of one of its functions."""
    return f"{name()}_{verb}"


def text() -> str:
    """The library as Redis takes it."""
    return f"#!lua name={name()}\nlocal LIBRARY = '{name()}'\n{code()}"


def load(connection: Connection) -> None:
    """Load this library unless the server has it. Raises what the connection raises."""
    if connection.ask("FUNCTION", "LIST", "LIBRARYNAME", name()):
        return
    try:
        connection.ask("FUNCTION", "LOAD", text())
    except Refused as refused:
        if "already exists" not in str(refused):  # another endpoint was faster with the same text
            raise
