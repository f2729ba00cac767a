"""A service of one's own for as long as a `with` block lasts."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import msgspec

from workmill.demo.scratch import Scratch
from workmill.domain.errors import Unavailable
from workmill.process.children import child_environment
from workmill.runtime.child_commands import up_command
from workmill.runtime.config import EndpointConfig, UpConfig
from workmill.runtime.up import Ready
from workmill.supervisor.lifeline import GRACE_SECONDS

LAST_CHARACTERS: Final = 800
"""As much of a log as a person reads."""


def _why(log: Path) -> str:
    """What the log's last event that explains itself says, else the end of the log."""
    text = log.read_text(errors="replace")
    for line in reversed(text.splitlines()):
        try:
            detail = msgspec.json.decode(line, type=dict).get("detail")
        except msgspec.DecodeError:
            continue
        if detail:
            return str(detail)
    return f"Its log ends: {text[-LAST_CHARACTERS:]}"


@contextmanager
def private_service(place: Scratch, workers: int | None = None) -> Iterator[Ready]:
    """A service on a free port of this machine with its jobs and its log in this folder.

    Raises Unavailable, with the end of the log, when it does not start.
    """
    data, log = place.folder / "data", place.folder / "service.log"
    config = UpConfig(endpoint=EndpointConfig(port=0, data=str(data)), workers=workers)
    with (
        log.open("wb") as errors,
        subprocess.Popen(
            up_command(config).argv,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            env=child_environment(),
            process_group=0,
            pass_fds=(place.lock,),
        ) as process,
    ):
        assert process.stdout is not None  # noqa: S101 - it is a pipe, as asked for above
        words = process.stdout.readline()
        if not words:
            raise Unavailable(f"The demo's own service did not start. {_why(log)}")
        try:
            yield msgspec.json.decode(words, type=Ready)
        finally:
            process.send_signal(signal.SIGTERM)
            try:
                process.wait(3 * GRACE_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
