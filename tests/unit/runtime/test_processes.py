"""What processes say is kept, within bounds."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from workmill.runtime import processes
from workmill.runtime.processes import Command, LocalProcesses


async def test_a_log_that_is_long_begins_anew_and_the_one_before_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A short one is added to: whoever looks for a reason finds what was said before the death."""
    monkeypatch.setattr(processes, "MAX_LOG_BYTES", 10)
    log = tmp_path / "role.log"
    command = Command("role", (sys.executable, "-c", "print('12345')"), log=log)
    started = LocalProcesses()
    for _ in range(3):
        await started.ended(await started.start(command))
    assert log.read_text() == "12345\n"
    assert log.with_name("role.log.old").read_text() == "12345\n12345\n"
