"""What a network can do to hosts, as data. Each fault lasts until it is healed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Isolate:
    """Nothing reaches this host and nothing leaves it; nobody is told."""

    host: str


@dataclass(frozen=True)
class Drop:
    """What `source` sends to `target` is lost; the other way it arrives."""

    source: str
    target: str


@dataclass(frozen=True)
class Slow:
    """All that this host sends goes through a thin pipe."""

    host: str
    kbit_per_second: int = 2000
    queue_milliseconds: int = 400


@dataclass(frozen=True)
class Unplug:
    """The host's interface is down: its own kernel sees it at once."""

    host: str


Fault = Isolate | Drop | Slow | Unplug


KINDS: dict[str, Callable[..., Fault]] = {
    "isolate": Isolate,
    "drop": Drop,
    "slow": Slow,
    "unplug": Unplug,
}
"""Each fault as it is typed: `drop redis-1 redis-2`."""
