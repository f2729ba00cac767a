"""Three hosts as data: who they are, where their files lie, how patient they are with each other.

Everything that a host is given (configuration, users, units) and everything that it does at its
start follows from one `Plan`, so that a deployment, a local set of hosts and the tests are the
same thing. Pure.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import Final

import msgspec

from workmill.domain.errors import InvalidInput

HOSTS: Final = 3
"""Two of three Sentinels are a majority; the third host may be lost."""
DEFAULT_MEMORY_BYTES: Final = 2 * 2**30
MIN_MEMORY_BYTES: Final = 64 * 2**20
"""Less holds no queue worth three hosts; and 0 means to Redis that there is no bound at all."""
_WORD: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-")


class Host(msgspec.Struct, frozen=True, kw_only=True):
    """One machine with a data server and a Sentinel on it."""

    name: str
    address: str


class Passwords(msgspec.Struct, frozen=True, kw_only=True):
    """One for each user; all hosts have the same ones."""

    endpoint: str
    replication: str
    sentinel: str
    deploy: str


class Timing(msgspec.Struct, frozen=True, kw_only=True):
    """How long the hosts wait for each other. The theory is in the templates."""

    down_after_milliseconds: int = 6000
    failover_timeout_milliseconds: int = 10_000
    reboot_down_after_milliseconds: int = 10_000
    replica_max_lag_seconds: int = 3
    replication_timeout_seconds: int = 10
    replication_ping_seconds: int = 2


class Places(msgspec.Struct, frozen=True, kw_only=True):
    """Where a host keeps its files. Configuration is read-only to the servers; what they write
    lies in their state directories."""

    configuration: str = "/etc/workmill-redis"
    data: str = "/var/lib/workmill-redis"
    sentinel: str = "/var/lib/workmill-sentinel"
    python: str = "/opt/workmill/.venv/bin/python"
    redis_server: str = "/usr/bin/redis-server"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """The whole set. `hosts[0]` is where the store is founded."""

    hosts: tuple[Host, ...]
    passwords: Passwords
    name: str = "workmill"
    redis_port: int = 6379
    sentinel_port: int = 26379
    memory_bytes: int = DEFAULT_MEMORY_BYTES
    client_networks: tuple[str, ...] = ()
    timing: Timing = Timing()
    places: Places = Places()

    @property
    def majority(self) -> int:
        """How many Sentinels must agree."""
        return len(self.hosts) // 2 + 1

    def host(self, name: str) -> Host:
        """The host of this name; it must be one of them."""
        return next(host for host in self.hosts if host.name == name)


def hosts_at(addresses: list[str]) -> tuple[Host, ...]:
    """Hosts `redis-1` to `redis-3` at these addresses."""
    try:
        given = [str(ipaddress.ip_address(address)) for address in addresses]
    except ValueError as error:
        raise InvalidInput(
            f"{error}. Nothing was made. Give the three hosts as IP addresses: Sentinel tells "
            "them to endpoints as it knows them, and a name could stop resolving in an outage."
        ) from None
    if len(set(given)) != HOSTS:
        raise InvalidInput(
            f"{len(set(given))} different addresses were given. Nothing was made. A set is three "
            "hosts: with fewer, the loss of one leaves no majority to choose a new primary."
        )
    return tuple(
        Host(name=f"redis-{number}", address=address) for number, address in enumerate(given, 1)
    )


def checked_word(text: str, what: str) -> str:
    """`text`, when it may stand in a configuration file as it is."""
    if not text or len(text) > 32 or not set(text) <= _WORD:
        raise InvalidInput(
            f"{text!r} cannot be {what}. Nothing was made. Use up to 32 of a-z, 0-9 and '-'."
        )
    return text


def checked_memory(memory_bytes: int) -> int:
    """`memory_bytes`, when it bounds a data server. Raises InvalidInput."""
    if memory_bytes < MIN_MEMORY_BYTES:
        raise InvalidInput(
            f"{memory_bytes} bytes cannot be the memory of a data server. Nothing was made. Give "
            f"at least {MIN_MEMORY_BYTES}, and no more than the machine can spare."
        )
    return memory_bytes


def checked_networks(networks: Sequence[str]) -> tuple[str, ...]:
    """These, when they may stand in a unit as they are. Raises InvalidInput."""
    try:
        return tuple(str(ipaddress.ip_network(network)) for network in networks)
    except ValueError as error:
        raise InvalidInput(
            f"{error}. Nothing was made. Give networks as in --allow 10.0.1.0/24."
        ) from None
