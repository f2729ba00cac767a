"""A child does not outlive its supervisor."""

import os
import signal
import subprocess
import sys

from workmill.supervisor.lifeline import EXIT_ABANDONED

CHILD = """
import signal, sys, threading
from workmill.supervisor.lifeline import follow_lifeline
signal.signal(signal.SIGTERM, {on_term})
follow_lifeline(grace_seconds={grace})
print("ready", flush=True)
threading.Event().wait()
"""


def run_child(on_term: str, grace: float) -> subprocess.Popen[bytes]:
    program = CHILD.format(on_term=on_term, grace=grace)
    return subprocess.Popen(
        [sys.executable, "-c", program],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )


def test_a_child_drains_when_its_supervisor_is_gone() -> None:
    """However the other end closes, the child gets the SIGTERM it would have got on a stop."""
    with run_child("lambda *_: sys.exit(0)", 60.0) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"ready\n"
        child.stdin.close()
        assert child.wait(30) == 0


def test_a_child_that_cannot_drain_ends_anyway() -> None:
    """A child that is stuck is still gone when the grace is over."""
    with run_child("signal.SIG_IGN", 0.05) as child:
        assert child.stdout is not None
        assert child.stdin is not None
        assert child.stdout.readline() == b"ready\n"
        child.stdin.close()
        assert child.wait(30) == EXIT_ABANDONED


def test_a_killed_supervisor_takes_its_children_along() -> None:
    """kill -9 of the supervisor leaves no child behind: the kernel closes the lifeline."""
    supervisor = (
        "import subprocess, sys; "
        "child = subprocess.Popen([sys.executable, '-c', sys.argv[1]], stdin=subprocess.PIPE); "
        "child.wait()"
    )
    program = CHILD.format(on_term="lambda *_: sys.exit(0)", grace=60.0)
    with subprocess.Popen(
        [sys.executable, "-c", supervisor, program],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == b"ready\n"
        os.kill(parent.pid, signal.SIGKILL)
        assert parent.stdout.read() == b""  # ends only when the grandchild has closed its copy
