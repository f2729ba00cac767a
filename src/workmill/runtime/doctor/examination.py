"""All looks together, and what follows from them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import msgspec

from workmill.runtime.config import EndpointConfig, usable_cores
from workmill.runtime.doctor import kernel, machine, service, storage
from workmill.runtime.doctor.finding import Finding


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
    findings = [
        kernel.kernel(),
        machine.cores(),
        machine.memory(),
        machine.open_files(),
        machine.clock(alone=not store),
        *(_redis(store) if store else _directory(Path(config.data))),
        service.service(config.host, config.port),
    ]
    kept = "--store ..." if store else f"--data {config.data}"  # an address may hold a password
    return Report(
        healthy=all(finding.verdict != "mend" for finding in findings),
        findings=findings,
        command=f"workmill up --workers {usable_cores()} {kept}",
    )


def _directory(data: Path) -> list[Finding]:
    return [
        storage.sqlite(),
        storage.filesystem(data),
        storage.free_space(data),
        storage.sync(data),
    ]


def _redis(addresses: Sequence[str]) -> list[Finding]:
    from workmill.runtime.doctor import redis
    from workmill.store.redis.addresses import parse_addresses

    return redis.stores(parse_addresses(addresses))
