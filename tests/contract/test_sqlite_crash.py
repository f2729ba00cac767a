"""Kill -9 in the middle of groups: nothing acknowledged is lost, and the store opens again."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from workmill.domain.lifecycle import Status
from workmill.store.sqlite import SqliteStore

WRITER = Path(__file__).with_name("crash_writer.py")
KILLS = 5
ACKNOWLEDGED = 30
"""How many groups a writer acknowledges before it is killed."""


def run_and_kill(folder: Path, start: int) -> tuple[list[int], list[int]]:
    """The numbers that a writer has acknowledged as submitted and as completed."""
    command = [sys.executable, str(WRITER), str(folder), str(start)]
    submitted, completed = list[int](), list[int]()
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for line in writer.stdout:
            verb, *numbers = line.split()
            (submitted if verb == "submitted" else completed).extend(map(int, numbers))
            if len(submitted) >= ACKNOWLEDGED * 10:
                writer.kill()
                break
        rest = writer.stdout.read()
    for line in rest.splitlines(keepends=True):
        if line.endswith("\n"):
            verb, *numbers = line.split()
            (submitted if verb == "submitted" else completed).extend(map(int, numbers))
    return submitted, completed


def test_what_was_acknowledged_survives_kill_9(tmp_path: Path) -> None:
    """Whatever the writer was doing when it died: submits and completions it had told of stay."""
    submitted, completed = set[int](), set[int]()
    for number in range(KILLS):
        new, done = run_and_kill(tmp_path, number * 1_000_000)
        submitted.update(new)
        completed.update(done)
    assert len(submitted) >= KILLS * ACKNOWLEDGED * 10
    assert completed
    store = SqliteStore(tmp_path)
    with store.group():
        there = store.get([number.to_bytes(16, "big") for number in sorted(submitted)])
        finished = store.get([number.to_bytes(16, "big") for number in sorted(completed)])
        stats = store.stats()
    assert sum(job is None for job in there) == 0
    assert {job.status if job else None for job in finished} == {Status.DONE}
    # Groups that were committed but not told of may be there too, whole.
    assert stats.submitted_total == sum(stats.jobs.values()) >= len(submitted)
    assert stats.submitted_total % 10 == 0
    store.close()
