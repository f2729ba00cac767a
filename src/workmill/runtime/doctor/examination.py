"""All looks together, and what follows from them."""

from __future__ import annotations

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


def examine(config: EndpointConfig) -> Report:
    """Look at everything that this service would stand on. Takes a second or two."""
    data = Path(config.data)
    findings = [
        kernel.kernel(),
        machine.cores(),
        machine.memory(),
        machine.open_files(),
        machine.clock(),
        storage.sqlite(),
        storage.filesystem(data),
        storage.free_space(data),
        storage.sync(data),
        service.service(config.host, config.port),
    ]
    return Report(
        healthy=all(finding.verdict != "mend" for finding in findings),
        findings=findings,
        command=f"workmill up --workers {usable_cores()} --data {config.data}",
    )
