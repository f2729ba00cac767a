"""How a supervisor hears of the end of a child, in programs where each warning is an error."""

from __future__ import annotations

import subprocess
import sys

from tests.system.processes import PATIENCE_SECONDS

NO_THREADS = """
import asyncio, os, signal, sys, threading
from workmill.supervisor.processes import Command
from workmill.supervisor.supervisor import Stage, Supervisor

def refuses(thread):
    raise RuntimeError("can't start new thread")

async def started():
    while supervisor.slot("role").pid is None:
        await asyncio.sleep(0.01)

threading.Thread.start = refuses
command = Command("role", (sys.executable, "-c", "import sys; sys.stdin.read()"))
supervisor = Supervisor([Stage(commands=[command], until_ready=started)])
signal.alarm(20)
sys.exit(asyncio.run(supervisor.run(lambda: os.kill(os.getpid(), signal.SIGTERM))))
"""
JUST_ENDED = """
import asyncio, os, signal, sys
from workmill.process.child_watcher import wait_without_threads
from workmill.supervisor.processes import Command, LocalProcesses

async def main():
    wait_without_threads()
    processes = LocalProcesses()
    process = await processes.start(Command("role", (sys.executable, "-c", "raise SystemExit(7)")))
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    process.signal(signal.SIGTERM)
    return await processes.ended(process)

sys.exit(asyncio.run(main()))
"""


def run(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-P", "-W", "error", "-c", program],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
        check=False,
    )


def test_a_supervisor_that_is_allowed_no_thread_starts_a_child_and_ends_it() -> None:
    """At a limit on threads a child that nobody could wait for would live for some ms."""
    done = run(NO_THREADS)
    assert done.returncode == 0, done.stderr
    assert "not started" not in done.stderr


def test_a_signal_to_one_that_has_just_ended_leaves_its_exit_code_to_who_waits() -> None:
    """Its end was not heard of yet: whoever asks the process itself takes the code away."""
    done = run(JUST_ENDED)
    assert (done.returncode, done.stderr) == (7, "")
