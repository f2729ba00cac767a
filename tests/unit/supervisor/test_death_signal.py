"""A program that knows no lifeline, tied to a supervisor that is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.system.processes import gone, until

from workmill.supervisor.lifeline import EXIT_ABANDONED

SUPERVISOR = """
import subprocess, sys, time
from workmill.supervisor.death_signal import tied
child = subprocess.Popen(tied("sleep", "600"))
print(child.pid, flush=True)
time.sleep(600)
"""


def test_a_tied_program_ends_with_its_supervisor() -> None:
    """kill -9 of the supervisor: what it started is told to end, though it holds no pipe."""
    with subprocess.Popen([sys.executable, "-c", SUPERVISOR], stdout=subprocess.PIPE) as supervisor:
        assert supervisor.stdout is not None
        pid = int(supervisor.stdout.readline())
        until(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n")
        os.kill(supervisor.pid, signal.SIGKILL)
        until(lambda: gone(pid))


def test_a_program_is_not_begun_for_a_supervisor_that_is_gone() -> None:
    """Whoever is not its parent any more cannot be watched."""
    words = [sys.executable, "-P", "-m", "workmill.supervisor.death_signal", "1", "true"]
    assert subprocess.run(words, check=False, timeout=60).returncode == EXIT_ABANDONED


def test_a_program_runs_where_nobody_removes_the_folder(tmp_path: Path) -> None:
    """A shell may stand in a folder that is gone; HAProxy does not start there."""
    place = tmp_path / "gone"
    place.mkdir()
    inside = f"import os; os.chdir({str(place)!r}); os.rmdir({str(place)!r})"
    program = f"""{inside}
import subprocess
from workmill.supervisor.death_signal import tied
print(subprocess.run(tied("pwd"), capture_output=True, text=True, check=True).stdout)
"""
    run = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert run.stdout.split() == ["/"]
