"""What is at an address, before anything there is opened, loaded or marked.

Plain reads, which leave nothing behind: whoever is refused by what they show has changed nothing.
"""

from __future__ import annotations

import time
from typing import Final, NamedTuple

from workmill.domain.errors import InvalidInput, StoreDamaged, StoreUnavailable
from workmill.store.redis.acknowledgement import Level
from workmill.store.redis.addresses import Address
from workmill.store.redis.connection import Connection, Refused, Silent
from workmill.store.redis.primary_discovery import Servers
from workmill.store.redis.primary_link import Pace

PAUSE_SECONDS: Final = 0.1


class Survey(NamedTuple):
    """One address. `number` and `family` are a shard's, None where it is none."""

    name: str
    run: str
    """The life of the server's process: the same under every name that it has."""
    holds_store: bool
    number: int | None
    family: str | None
    shards: int
    """How many shards its store has had, as far as it has heard."""


def survey(address: Address, tag: str, *, level: Level | None, pace: Pace) -> Survey:
    """Look at the primary there. Raises StoreUnavailable when it cannot be reached, or does not
    keep what the level promises."""
    watched = address.name is not None
    servers = Servers(address, level or (Level.REPLICATED if watched else Level.DISK))
    deadline = time.monotonic() + pace.patience_seconds
    try:
        while True:
            try:
                return _seen(servers, address, tag)
            except (Silent, Refused) as error:
                if time.monotonic() > deadline:
                    raise StoreUnavailable(
                        f"The store cannot be used: {error}. Nothing was changed.",
                        retry_after_seconds=PAUSE_SECONDS,
                    ) from error
                time.sleep(PAUSE_SECONDS)
    finally:
        servers.close()


def _seen(servers: Servers, address: Address, tag: str) -> Survey:
    primary = servers.find_primary()
    try:
        note, shards, books = _answers(primary.connection, tag)
    finally:
        primary.connection.close()
    number, _, family = note.decode().split() if note else (None, None, None)
    return Survey(
        name=str(address),
        run=primary.shown.run,
        holds_store=bool(books),
        number=None if number is None else int(number),
        family=family,
        shards=int(shards or 0),
    )


def _answers(connection: Connection, tag: str) -> tuple[bytes | None, bytes | None, int]:
    note = connection.ask("GET", f"{tag}part")
    shards = connection.ask("HGET", f"{tag}mark", "shards")
    return note, shards, connection.ask("EXISTS", f"{tag}abooks", f"{tag}bbooks", f"{tag}mark")


def check_alone(seen: Survey) -> None:
    """Raises InvalidInput for what is only a part of a store."""
    if seen.number is not None:
        raise InvalidInput(
            f"{seen.name} is shard {seen.number} of a store of several. Nothing was changed. Give "
            "the addresses of all its shards, in the order in which they were first given."
        )


def is_gone(name: str) -> StoreDamaged:
    """Where the store was that another endpoint served, there is none now."""
    return StoreDamaged(
        f"The store that was served from {name} is not there any more: it was emptied, or another "
        "server is at its address. Nothing was begun in its place. Bring the right data back, and "
        "it is served again; or stop this service and start it anew, with a backup or an empty "
        "store."
    )
