"""All looks together, and what follows from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from shlex import quote
from typing import TypeAlias

import msgspec

from workmill.doctor import kernel, machine, port, storage
from workmill.doctor.finding import Finding
from workmill.domain.errors import WorkmillError
from workmill.runtime.config import EndpointConfig
from workmill.runtime.machine_limits import workers_by_itself

Look: TypeAlias = Callable[[], Finding | list[Finding]]
"""One look at the machine."""


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """What was found; `healthy` unless something must be mended. `command` is what to run here."""

    healthy: bool
    findings: list[Finding]
    command: str


def examine(config: EndpointConfig, store: Sequence[str] = ()) -> Report:
    """Look at everything that this service would stand on. Takes a second or two.

    `store` are the addresses of a Redis store, instead of a directory. Raises InvalidInput for
    what is no address.
    """
    looks: list[tuple[str, Look]] = [
        ("kernel", kernel.kernel),
        ("cores", machine.cores),
        ("memory", machine.memory),
        ("open files", machine.open_files),
        ("clock", lambda: machine.clock(alone=not store)),
        *(_redis(store) if store else _directory(Path(config.data))),
        ("port", lambda: port.service(config.host, config.port)),
    ]
    findings = [finding for name, look in looks for finding in _looked(name, look)]
    # an address may hold a password
    kept = "--store ..." if store else f"--data {quote(config.data)}"
    return Report(
        healthy=all(finding.verdict != "mend" for finding in findings),
        findings=findings,
        command=f"workmill up --workers {workers_by_itself()} {kept}",
    )


def _looked(name: str, look: Look) -> list[Finding]:
    """What a look brought. One that fails on an odd machine (no /proc, no such call, no right to
    look) does not hide the others."""
    try:
        brought = look()
    except WorkmillError:
        raise
    except Exception as error:  # noqa: BLE001 - whatever keeps one look from being taken
        said = f"it could not be looked at: {error or type(error).__name__}."
        return [Finding(name=name, verdict="note", said=said)]
    return brought if isinstance(brought, list) else [brought]


def _directory(data: Path) -> list[tuple[str, Look]]:
    return [
        ("sqlite", storage.sqlite),
        ("data", lambda: storage.filesystem(data)),
        ("space", lambda: storage.free_space(data)),
        ("sync", lambda: storage.sync(data)),
    ]


def _redis(addresses: Sequence[str]) -> list[tuple[str, Look]]:
    from workmill.doctor import redis
    from workmill.store.redis.addresses import parse_addresses

    return [("redis", partial(redis.stores, parse_addresses(addresses)))]
