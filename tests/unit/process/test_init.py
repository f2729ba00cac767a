"""Process 1 of a namespace: no zombies, signals arrive, the exit code is the program's."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.processes import until

UNSHARE = ["unshare", "--pid", "--fork", "--kill-child", "--mount-proc"]
possible = (
    subprocess.run([*UNSHARE, "true"], capture_output=True, check=False).returncode == 0
    if (shutil.which("unshare"))
    else False
)
pytestmark = pytest.mark.skipif(not possible, reason="process namespaces need more rights")

ENTER = (
    "import os, signal, subprocess, sys, time; from workmill.process.entry import enter; enter()\n"
)
ORPHANS = (
    ENTER
    + """
for _ in range(5):  # a child that leaves its own child behind, which ends a little later
    subprocess.run(["sh", "-c", "sleep 0.1 & exit 3"], check=False)
ours = subprocess.Popen(["sh", "-c", "exit 7"])
print("ready", flush=True)
sys.stdin.readline()
names = [n for n in os.listdir("/proc") if n.isdigit()]
states = [open(f"/proc/{n}/stat").read().rpartition(")")[2].split()[0] for n in names]
print(ours.wait(), states.count("Z"), os.getpid() != 1, flush=True)
"""
)


@contextmanager
def first_process(program: str) -> Iterator[subprocess.Popen[str]]:
    words = [*UNSHARE, sys.executable, "-P", "-c", program]
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def children_of(pid: int) -> list[int]:
    return [int(n) for n in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def state_of(pid: int) -> str:
    """One letter, see proc_pid_stat(5)."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def inner(process: subprocess.Popen[str]) -> int:
    """The program itself: the child of the child of `unshare`."""
    found: list[int] = until(
        lambda: [n for first in children_of(process.pid) for n in children_of(first)]
    )
    return found[0]


def test_orphans_are_waited_for_and_exit_statuses_are_not_taken() -> None:
    """The children that others left behind are gone; our own child's status is still ours. Its
    zombie is the one that is there until we ask."""
    with first_process(ORPHANS) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        mine = inner(process)
        until(lambda: len(Path(f"/proc/{mine}/task/{mine}/children").read_text().split()) == 1)
        parent = int(Path(f"/proc/{mine}/stat").read_text().rpartition(")")[2].split()[1])
        until(lambda: len(Path(f"/proc/{parent}/task/{parent}/children").read_text().split()) == 1)
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.readline() == "7 1 True\n"


def test_a_supervisor_takes_no_orphans() -> None:
    """A parent that reaps for others, and becomes a supervisor, leaves that to process 1."""
    program = """
import ctypes
from workmill.process.init import leave_orphans
libc, there = ctypes.CDLL(None), ctypes.c_int()
libc.prctl(36, 1)
leave_orphans()
libc.prctl(37, ctypes.byref(there))
print(there.value)
"""
    words = [sys.executable, "-P", "-c", program]
    run = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout == "0\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_handed_on(number: signal.Signals) -> None:
    """What `docker stop` or `docker kill` sends reaches the program."""
    program = (
        ENTER
        + f"""
signal.pthread_sigmask(signal.SIG_BLOCK, [{int(number)}])
print("ready", flush=True)
print(int(signal.sigwait([{int(number)}])), flush=True)
"""
    )
    with first_process(program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        mine = inner(process)
        parent = int(Path(f"/proc/{mine}/stat").read_text().rpartition(")")[2].split()[1])
        os.kill(parent, number)
        assert process.stdout.readline() == f"{int(number)}\n"


@pytest.mark.parametrize(
    ("end", "code"), [("sys.exit(9)", 9), ("os.kill(os.getpid(), signal.SIGKILL)", 137)]
)
def test_it_ends_as_the_program_does(end: str, code: int) -> None:
    """A container's exit code is what the program said, or 128 and the signal."""
    with first_process(ENTER + end) as process:
        assert process.wait(60) == code


def test_the_program_is_left_as_it_was_begun() -> None:
    """Process 1 blocks what it hands on, its program does not: SIGTERM would never arrive. And it
    leads a group of its own, so that a Ctrl-C comes once."""
    program = (
        ENTER
        + """
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, ())), os.getpgrp() == os.getpid(), flush=True)
print(signal.getsignal(signal.SIGTTOU) is signal.SIG_DFL, flush=True)
"""
    )
    with first_process(program) as process:
        assert process.communicate(timeout=60)[0] == "[] True\nTrue\n"


def test_those_that_end_together_are_all_waited_for() -> None:
    """However many end while process 1 is held up, they are one signal to it."""
    program = (
        ENTER
        + """
for _ in range(5):
    subprocess.run(["sh", "-c", "sleep 600 & exit 0"], check=False)
print("ready", flush=True)
sys.stdin.readline()
"""
    )
    with first_process(program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        mine = inner(process)
        parent = int(Path(f"/proc/{mine}/stat").read_text().rpartition(")")[2].split()[1])
        orphans = set(children_of(parent)) - {mine}
        assert len(orphans) == 5
        os.kill(parent, signal.SIGSTOP)
        until(lambda: state_of(parent) == "T")
        for one in orphans:
            os.kill(one, signal.SIGKILL)
        until(lambda: {state_of(one) for one in orphans} == {"Z"})
        os.kill(parent, signal.SIGCONT)
        until(lambda: children_of(parent) == [mine])
