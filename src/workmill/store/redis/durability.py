"""Does a server keep what it acknowledges? One list of rules on what it shows of itself. Pure.

Whoever opens a store goes by this list, looks again by it while the store is open, and the doctor
reports by it. A fault that `refuses` breaks a promise: nothing is acknowledged on such a server.
The others are warnings. What this user may not read (CONFIG, by its ACL or because the command has
another name) is judged by what INFO shows of it, and the rest is a warning, not a guess.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import Node
from workmill.store.redis.connection import Refused
from workmill.store.redis.replication_info import UNREADABLE, no_reply

OLDEST: Final = (7, 0)
"""The first with functions."""
LOG, MEMORY, SETTINGS, SERVER = "redis log", "redis memory", "redis settings", "redis"
QUESTIONS: Final = (
    ("INFO",),
    ("CONFIG", "GET", "append*", "no-appendfsync-on-rewrite", "maxmemory*", "stop-writes*", "save"),
)
"""What must be asked to fill in a `Shown`, beside its node."""
SYNCED: Final = {"appendfsync": "always", "no-appendfsync-on-rewrite": "no"}
"""What INFO does not show."""
_LASTING: Final = {"appendonly": "yes", **SYNCED}


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """What a server shows: its INFO, and its settings unless this user may not read them."""

    node: Node
    info: Mapping[str, str]
    config: Mapping[str, str] | None

    @property
    def run(self) -> str:
        """The name of this life of the server's process."""
        return self.info.get("run_id", "")

    @property
    def evicted_keys(self) -> int:
        """How many keys it has thrown away for want of memory, in this life."""
        return int(self.info.get("evicted_keys", "0"))


class Fault(NamedTuple):
    """One thing that is wrong: where (a name for the doctor), what, and what to do about it."""

    name: str
    refuses: bool
    said: str
    advice: str


def read_shown(node: Node, info: Any, config: Any) -> Shown:
    """From the replies to `QUESTIONS`. Raises Refused when INFO was refused, Silent when these are
    no replies to them."""
    if isinstance(info, Refused):
        raise info
    try:
        return _shown(node, info, config)
    except UNREADABLE as error:
        raise no_reply("INFO and CONFIG GET", [info, config]) from error


def _shown(node: Node, info: Any, config: Any) -> Shown:
    pairs = [line.split(":", 1) for line in info.decode(errors="replace").splitlines()]
    words = None if isinstance(config, Refused) else [word.decode() for word in config]
    shown = Shown(
        node=node,
        info={pair[0]: pair[1] for pair in pairs if len(pair) == 2},
        config=None if words is None else dict(zip(words[::2], words[1::2], strict=True)),
    )
    if shown.evicted_keys < 0:
        raise ValueError("evicted_keys")
    return shown


def faults(shown: Shown, level: Level, *, kept: bool = False) -> list[Fault]:
    """Everything that is wrong with this server, for a store of this level. `kept` is whether
    somebody beside it keeps the settings that this user may not read."""
    found = [*_version(shown), *_memory(shown)]
    if level is not Level.MEMORY:
        found += [*_log(shown), *(() if kept else _unread(shown))]
    return found


def refusal(found: list[Fault], node: Node, kept: str) -> str | None:
    """Why nothing may be acknowledged here, in one paragraph; None when nothing is in the way."""
    reasons = [one for one in found if one.refuses]
    if not reasons:
        return None
    said = "; ".join(one.said for one in reasons)
    return f"{node} does not keep what it acknowledges: {said}. {kept} " + " ".join(
        one.advice for one in reasons
    )


def version(shown: Shown) -> tuple[str, str]:
    """What kind of server it is, and its version in words."""
    kind = "valkey" if "valkey_version" in shown.info else "redis"
    return kind, shown.info.get(f"{kind}_version", "0")


def _version(shown: Shown) -> Iterator[Fault]:
    kind, text = version(shown)
    known = f"{kind}_version" in shown.info
    numbers = tuple(int(part) for part in text.split(".")[:2] if part.isdigit())
    if known and kind == "redis" and numbers < OLDEST:
        said = f"it is {kind} {text}, without functions"
        yield Fault(SERVER, True, said, "Use Redis 7.0 or later.")
    if shown.info.get("cluster_enabled") == "1":
        said = "it is a node of a Redis Cluster, where keys may be moved away from it"
        yield Fault(SERVER, False, said, "Use servers of their own, and several as shards.")


def _memory(shown: Shown) -> Iterator[Fault]:
    policy = (shown.config or shown.info).get("maxmemory-policy") or shown.info.get(
        "maxmemory_policy", "noeviction"
    )
    if policy != "noeviction":
        said = f"it throws jobs away when its memory is full (maxmemory-policy {policy})"
        yield Fault(MEMORY, True, said, "Set maxmemory-policy noeviction.")
    if shown.evicted_keys:
        said = f"it has thrown {shown.evicted_keys:,} keys away since its start"
        advice = (
            "Jobs may be among them: restore a backup, or CONFIG RESETSTAT if they were others'."
        )
        yield Fault(MEMORY, False, said, advice)


def _log(shown: Shown) -> Iterator[Fault]:
    wanted = [f"{name} {value}" for name, value in _LASTING.items() if _differs(shown, name, value)]
    if wanted:
        said = f"its log is not synced before it replies (needs {', '.join(wanted)})"
        yield Fault(LOG, True, said, f"Set {', '.join(wanted)}, or choose --durability memory.")
    elif shown.info.get("aof_last_write_status", "ok") != "ok":
        yield Fault(LOG, True, "it cannot write its log", "Look at its disk and its own log.")
    elif shown.info.get("aof_last_bgrewrite_status", "ok") != "ok":
        said = "it could not rewrite its log, which grows"
        yield Fault(LOG, False, said, "Look at its disk and its own log.")


def _differs(shown: Shown, name: str, value: str) -> bool:
    """Also by what INFO says: a setting that was given is not yet one that holds."""
    if name == "appendonly" and shown.info.get("aof_enabled", "1") != "1":
        return True
    return shown.config is not None and shown.config.get(name, value) != value


def _unread(shown: Shown) -> Iterator[Fault]:
    if shown.config is None:
        said = "it does not let this user read appendfsync and no-appendfsync-on-rewrite"
        advice = "Run `workmill doctor` as a user who may (+config|get): nobody has checked them."
        yield Fault(SETTINGS, False, said, advice)
