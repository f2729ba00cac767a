"""The watch beside a data server: its files, its priority, the settings of its log, and whom it
follows.

It looks twice a second. Each look begins with the server itself, then asks the Sentinels, and
tells the server what follows from both over the connection of the look (`data_server` says why).
"""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from pathlib import Path

from workmill.redis_hosts.data_files import DataFiles
from workmill.redis_hosts.data_server import Server
from workmill.redis_hosts.queries import Asking
from workmill.redis_hosts.render import HostSettings
from workmill.redis_hosts.rules import (
    Follow,
    Replication,
    Roles,
    StartAnew,
    is_spared,
    judged_priority,
)
from workmill.redis_hosts.start import IN_STEP, LOOK_SECONDS
from workmill.telemetry import emit


def watch(settings: HostSettings) -> None:
    """Keep the priority, the log's settings and the role of this host's data server right, and end
    it when its files are gone, until told to end."""
    asking, roles = Asking(settings), Roles(settings.host.address)
    files = DataFiles(Path(settings.plan.places.data))
    while True:
        now = asking.replication()
        if now is not None and not ended_without_files(files, settings, now):
            keep_log(asking.server(), settings, now)
            _keep_priority(asking, settings, now)
            _keep_role(asking, settings, now, roles)
        time.sleep(LOOK_SECONDS)


def ended_without_files(files: DataFiles, settings: HostSettings, now: Replication) -> bool:
    """End a server that writes where no start would find it; whether it was. By force: an orderly
    end may wait, or be refused, and there is nothing that it could still save."""
    problem = files.problem(now.process)
    if problem is None:
        return False
    emit("redis.files_lost", level="error", host=settings.host.name, detail=problem)
    with suppress(ProcessLookupError):
        os.kill(now.process, signal.SIGKILL)
    return True


def _keep_priority(asking: Asking, settings: HostSettings, now: Replication) -> None:
    mark = Path(settings.plan.places.data) / IN_STEP
    if (now.is_primary or now.link_up) and not mark.exists():
        mark.touch()
    wanted = judged_priority(now)
    if wanted != now.priority and asking.server().set_priority(wanted):
        emit("redis.priority", host=settings.host.name, priority=wanted, is_primary=now.is_primary)


def keep_log(server: Server, settings: HostSettings, now: Replication) -> None:
    """Set what was looked at right again: endpoints may not read it, and rely on this watch."""
    if now.lax and server.sync_log():
        mended = ", ".join(now.lax)
        emit("redis.log_mended", level="warning", host=settings.host.name, settings=mended)


def _keep_role(asking: Asking, settings: HostSettings, now: Replication, roles: Roles) -> None:
    host = settings.host.name
    agreed = asking.agreed_primary()
    spared = False
    if agreed is not None and agreed == now.follows and not now.link_up:
        spared = is_spared(now, asking.linked_without_us(agreed))
    match roles.judged(now, agreed, time.monotonic(), spared=spared):
        case Follow(primary) if asking.server().follow(primary):
            emit("redis.turned", host=host, replica_of=primary, was_primary=now.is_primary)
        case StartAnew():
            emit("redis.ended", level="warning", host=host, was_primary=now.is_primary)
            with suppress(ProcessLookupError):
                os.kill(now.process, signal.SIGTERM)
