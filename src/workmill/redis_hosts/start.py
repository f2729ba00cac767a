"""The start of a host's data server.

`start` waits until `rules` lets the server run and then becomes it (exec): the process that
systemd started is the server. Reasons to wait are logged once, not at every look.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

import msgspec

from workmill.domain.errors import InvalidInput
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.rules import (
    PROMOTABLE,
    Start,
    Surroundings,
    Wait,
    agreed_primary,
    judged_start,
)
from workmill.telemetry import emit
from workmill.telemetry.log_output import flush_output

LOOK_SECONDS: Final = 0.5
FOUNDING: Final = "found-new-store"
IN_STEP: Final = "was-in-step"
"""A server that was once in step writes this file beside its log: without it, a log that lies
there may be the beginning of a copy."""


def read_settings(configuration: Path) -> HostSettings:
    """`host.json` in this directory."""
    try:
        return msgspec.json.decode((configuration / "host.json").read_bytes(), type=HostSettings)
    except (OSError, msgspec.DecodeError) as error:
        said = error.strerror if isinstance(error, OSError) else error
        raise InvalidInput(
            f"{configuration / 'host.json'} cannot be read: {said}. Nothing was started. "
            "Copy what deploy/redis/prepare made for this host once more."
        ) from None


def found(settings: HostSettings) -> None:
    """Allow the next start to begin with an empty directory; said by a person, once for a set."""
    place = Path(settings.plan.places.data)
    if holds_data(place):
        raise InvalidInput(f"{place} holds a store already. Nothing was changed.")
    (place / FOUNDING).touch()


def admit(settings: HostSettings) -> None:
    """Let this host's replica be promoted although nobody has seen it in step; said by a person
    who knows that no better one is left."""
    server = Asking(settings).server()
    if server.look() is None or not server.set_priority(PROMOTABLE):
        raise InvalidInput("The data server of this host does not answer. Nothing was changed.")


def holds_data(place: Path) -> bool:
    """Whether this directory keeps data that were once in step."""
    logs = list(place.glob("appendonlydir/*.manifest"))
    return (place / IN_STEP).exists() and any(log.stat().st_size for log in logs)


def start(settings: HostSettings) -> None:
    """Wait until the data server may run, then become it."""
    place = Path(settings.plan.places.data)
    asking, told = Asking(settings), ""
    while not isinstance(judged := _looked(asking, settings, place), Start):
        if judged.reason != told:
            told = judged.reason
            emit("redis.waits", host=settings.host.name, reason=told)
        time.sleep(LOOK_SECONDS)
    asking.close()
    if judged.primary:  # who copies everything needs no directory that somebody kept
        place.mkdir(mode=0o700, exist_ok=True)
    (place / FOUNDING).unlink(missing_ok=True)
    emit("redis.starts", host=settings.host.name, replica_of=judged.primary)
    flush_output()  # what becomes of this process does not know of it
    places = settings.plan.places
    os.execv(places.redis_server, server_command(settings, judged))  # noqa: S606, our own words


def server_command(settings: HostSettings, judged: Start) -> list[str]:
    """How the data server is run. The role stands on the command line, where it wins over
    whatever a server that could rewrite its configuration has left there."""
    plan = settings.plan
    follows = f"{judged.primary} {plan.redis_port}" if judged.primary else "no one"
    configuration = f"{plan.places.configuration}/redis.conf"
    words = [plan.places.redis_server, configuration, "--replica-priority", "0"]
    return [*words, "--replicaof", *follows.split()]


def _looked(asking: Asking, settings: HostSettings, place: Path) -> Start | Wait:
    founding = (place / FOUNDING).exists()
    named = asking.named_primaries()
    primary = agreed_primary(named, settings.plan.majority)
    return judged_start(
        Surroundings(
            own_address=settings.host.address,
            named=named,
            majority=settings.plan.majority,
            holds_data=holds_data(place),
            founding=founding,
            peers=asking.peers() if founding else (),
            cut_off=primary is not None and asking.linked_without_us(primary) != [],
        )
    )
